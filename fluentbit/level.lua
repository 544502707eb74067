-- The severity of a line, in six words: trace, debug, info, warn, error, fatal.

local byte, match, sub, find, lower = string.byte, string.match, string.sub, string.find, string.lower

local WORDS = {
  trace = "trace",
  finest = "trace",
  verbose = "debug",
  debug = "debug",
  dbug = "debug",
  fine = "debug",
  info = "info",
  information = "info",
  informational = "info",
  notice = "info",
  warn = "warn",
  warning = "warn",
  error = "error",
  err = "error",
  severe = "error",
  fail = "error",
  fatal = "fatal",
  critical = "fatal",
  crit = "fatal",
  panic = "fatal",
  dpanic = "fatal",
  alert = "fatal",
  emergency = "fatal",
  emerg = "fatal",
}
-- pino and bunyan.
local NUMBERS = { [10] = "trace", [20] = "debug", [30] = "info", [40] = "warn", [50] = "error", [60] = "fatal" }
local KLOG = { [73] = "info", [87] = "warn", [69] = "error", [70] = "fatal" }
local HEAD = 120

local level = {}

-- Of a word or number that a log framework wrote; nil where it is none of them.
function level.named(value)
  if type(value) == "string" then
    return WORDS[value] or WORDS[lower(value)] or NUMBERS[tonumber(value) or 0]
  end
  return value and NUMBERS[value] or nil
end

local function is_letter(c)
  return c and (c >= 65 and c <= 90 or c >= 97 and c <= 122)
end

-- Where a word stands for itself in `head`, before `limit`.
local function word_at(head, word, limit)
  local i, last = find(head, word, 1, true)
  if i and i < limit and not is_letter(byte(head, i - 1)) and not is_letter(byte(head, last + 1)) then
    return i
  end
end

-- In the first list the word that comes first in the line counts, in the second the one that comes first in the list.
local COMMON = { "INFO", "ERROR", "WARN", "WARNING", "DEBUG" }
local RARE = { "FATAL", "TRACE", "CRITICAL", "SEVERE", "NOTICE", "PANIC" }

-- Plain searches, one after the other: they are compiled, a pattern is not.
local function in_capitals(head)
  local first, found = HEAD + 1, nil
  for i = 1, #COMMON do
    local place = word_at(head, COMMON[i], first)
    if place then
      first, found = place, COMMON[i]
    end
  end
  if found then
    return WORDS[lower(found)]
  end
  for i = 1, #RARE do
    if word_at(head, RARE[i], first) then
      return WORDS[lower(RARE[i])]
    end
  end
end

local function after(head, name)
  local _, last = find(head, name, 1, true)
  local word = last and match(head, '^[=:] ?"?(%a+)', last + 1)
  return word and WORDS[lower(word)] or nil
end

-- Of a line of text: a klog head, a word in capitals, level=word, or a word in brackets or before a colon.
function level.of(text)
  local first = byte(text, 1)
  if first == nil then
    return nil
  end
  if KLOG[first] and byte(text, 6) == 32 and match(text, "^%u%d%d%d%d ") then
    return KLOG[first]
  end
  local head = #text > HEAD and sub(text, 1, HEAD) or text
  local found = after(head, "evel") or after(head, "everity") or in_capitals(head)
  if found then
    return found
  end
  local bracket = find(head, "[", 1, true)
  while bracket do
    local word = match(head, "^(%a+)%]", bracket + 1)
    if word and WORDS[lower(word)] then
      return WORDS[lower(word)]
    end
    bracket = find(head, "[", bracket + 1, true)
  end
  local colon = find(head, ":", 1, true)
  if colon and colon < 12 then
    return WORDS[lower(sub(head, 1, colon - 1))]
  end
  return nil
end

return level
