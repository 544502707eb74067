-- What must not leave the node is replaced.

local settings, counters = ...

local find, gsub, lower = string.find, string.gsub, string.lower

local rules = settings.redact

-- The text with every match replaced. Most lines lack the needle of a rule, which a plain search tells.
return function(text)
  local folded
  for i = 1, #rules do
    local rule = rules[i]
    local needle, where = rule.needle, text
    if needle ~= "" and rule.fold then
      folded = folded or lower(text)
      where = folded
    end
    if needle == "" or find(where, needle, 1, true) then
      local replaced, count = gsub(text, rule.pattern, rule.replace)
      if count > 0 then
        text, folded = replaced, nil
        counters.add("redacted")
      end
    end
  end
  return text
end
