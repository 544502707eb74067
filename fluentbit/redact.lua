-- What must not leave the node is replaced.

local settings, counters = ...

local find, gsub, lower = string.find, string.gsub, string.lower

-- Groups of rules that follow each other with the same needle: { needle, fold = the needle is to be looked for in lower
-- case, rules = { pattern, lead = bytes of a match before the needle, or -1, replace } }.
local groups = settings.redact
for _, group in ipairs(groups) do
  for _, rule in ipairs(group.rules) do
    rule.at = "^" .. rule.pattern
  end
end

-- Whether a rule can match: the needle is there, and the pattern around one of its places.
local function may_match(text, where, group, rule)
  if rule.lead < 0 then
    return true
  end
  local place = find(where, group.needle, 1, true)
  while place do
    if place > rule.lead and find(text, rule.at, place - rule.lead) then
      return true
    end
    place = find(where, group.needle, place + 1, true)
  end
  return false
end

-- The text with every match replaced. Most lines lack the needle of a group, which a plain search tells.
return function(text)
  local folded
  local found = false
  for i = 1, #groups do
    local group = groups[i]
    local where = text
    if group.fold then
      folded = folded or lower(text)
      where = folded
    end
    if group.needle == "" or find(where, group.needle, 1, true) then
      for _, rule in ipairs(group.rules) do
        if may_match(text, where, group, rule) then
          local replaced, count = gsub(text, rule.pattern, rule.replace)
          if count > 0 then
            text, found, folded = replaced, true, nil
            where = group.fold and lower(text) or text
          end
        end
      end
    end
  end
  if found then
    counters.add("redacted")
  end
  return text
end
