-- Which lines belong to one record: the stack traces of some languages, and rules of the user's own.
--
-- A rule is { needles = plain strings, one of which is in every line that begins a record, or nil for any line;
-- starts = function(text) -> bool; continues = function(text, state) -> state or nil }. A state is any value that is
-- not nil; it is what `continues` said for the line before (true after the first).

local settings = ...

local find, byte = string.find, string.byte

local SPACE, TAB = 32, 9

local function indented(text)
  local first = byte(text, 1)
  return first == SPACE or first == TAB
end

-- The name of an exception at the end of the line or before its message.
local function names_exception(text)
  return find(text, "Exception", 1, true) and find(text, "Exception[:%s]") or find(text, "Exception$")
    or find(text, "Error", 1, true)
      and (find(text, "[%w$.]Error[:%s]") or find(text, "[%w$.]Error$") or find(text, "^Error:") or find(text, "^Error %["))
    or find(text, "Throwable", 1, true) and (find(text, "Throwable[:%s]") or find(text, "Throwable$"))
end

-- Java, .NET and JavaScript print traces alike. While one is open, every indented line belongs to it.
local exception = {
  needles = { "Exception", "Error", "Throwable", "Unhandled exception" },
  starts = function(text)
    if indented(text) then
      return nil
    end
    return byte(text, 1) == 85 and find(text, "^Unhandled exception") or names_exception(text)
  end,
  continues = function(text)
    return indented(text) and find(text, "^%s+%S")
      or find(text, "^Caused by: ")
      or find(text, "^Suppressed: ")
      or find(text, "^%-%-%-[> ]")
      or nil
  end,
}

local python = {
  needles = { "Traceback (most" },
  starts = function(text)
    return byte(text, 1) == 84 and find(text, "^Traceback %(most recent call last%):")
  end,
  -- Frames are indented; the first line that isn't names the exception. A chained one follows after an empty line.
  continues = function(text, state)
    if state == true then
      return indented(text) and true or (text ~= "" and "named") or nil
    end
    if state == "named" then
      return (text == "" and "between") or nil
    end
    if state == "between" then
      return (find(text, "^During handling of ") or find(text, "^The above exception ")) and "announced" or nil
    end
    if state == "announced" then
      return text == "" and "announced" or find(text, "^Traceback %(") and true or nil
    end
  end,
}

local go = {
  needles = { "panic: ", "fatal error: ", "goroutine ", "panic serving " },
  starts = function(text)
    local first = byte(text, 1)
    return first == 112 and find(text, "^panic: ")
      or first == 102 and find(text, "^fatal error: ")
      or first == 103 and find(text, "^goroutine %d+ %[")
      or find(text, "http: panic serving ", 1, true)
  end,
  continues = function(text)
    return text == ""
      or indented(text)
      or find(text, "^goroutine %d+ %[")
      or find(text, "^%[signal ")
      or find(text, "^created by ")
      or find(text, "^runtime stack:")
      or find(text, "^[%w_./*%%%-]+[%w_*()%[%].,/%-]*%(.*%)$")
      or nil
  end,
}

local ruby = {
  needles = { ":in " },
  starts = function(text)
    return find(text, ":in ", 1, true) and find(text, "^%S+:%d+:in ['`]")
  end,
  continues = function(text)
    return indented(text) and find(text, "^%s+from ") or nil
  end,
}

local function matches_any(text, patterns)
  for _, pattern in ipairs(patterns) do
    if find(text, pattern) then
      return true
    end
  end
  return false
end

-- `start` alone: what doesn't match continues. `continue` alone: any other line begins a record.
local function own(rule)
  return {
    starts = function(text)
      return not rule.start or matches_any(text, rule.start)
    end,
    continues = function(text)
      if rule.continue then
        return matches_any(text, rule.continue) or nil
      end
      return not matches_any(text, rule.start) or nil
    end,
  }
end

local multiline = {
  rules = { java = exception, dotnet = exception, python = python, go = go, ruby = ruby },
}

for _, rule in ipairs(settings.multiline_rules) do
  multiline.rules[rule.name] = own(rule)
end

local function chosen(names)
  local rules, seen = {}, {}
  for _, name in ipairs(names) do
    local rule = multiline.rules[name]
    if rule and not seen[rule] then
      seen[rule] = true
      rules[#rules + 1] = rule
    end
  end
  return rules
end

-- What one pass over a line needs to know of a set of rules: whether any of them can begin there.
local function prepared(rules)
  local needles, seen, any = {}, {}, false
  for _, rule in ipairs(rules) do
    any = any or not rule.needles
    for _, needle in ipairs(rule.needles or {}) do
      if not seen[needle] then
        seen[needle] = true
        needles[#needles + 1] = needle
      end
    end
  end
  return { rules = rules, needles = not any and needles or nil }
end

local default = prepared(chosen(settings.multiline))
local by_names = {}

-- The rules for a container: those that its pod names in an annotation, else those that hold everywhere.
function multiline.rules_for(names)
  if not names then
    return default
  end
  local key = table.concat(names, ",")
  by_names[key] = by_names[key] or prepared(chosen(names))
  return by_names[key]
end

-- Whether a line may begin a record of several: plain searches, which are fast, before the patterns.
function multiline.may_begin(set, text)
  local needles = set.needles
  if not needles then
    return true
  end
  for i = 1, #needles do
    if find(text, needles[i], 1, true) then
      return true
    end
  end
  return false
end

-- The rule that a line begins a record of, if any.
function multiline.beginning(set, text)
  if not multiline.may_begin(set, text) then
    return nil
  end
  for _, rule in ipairs(set.rules) do
    if rule.starts(text) then
      return rule
    end
  end
end

return multiline
