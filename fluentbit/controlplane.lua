-- Logs of a control plane that runs on its own nodes: what a line of one of its programs says, and what an audit event.
-- The documents are those that the Lambda function makes of EKS's logs; see sidecar/controlplane.

local settings, json, level = ...

local byte, find, sub, match, floor = string.byte, string.find, string.sub, string.match, math.floor

local QUOTE, OPEN, OPEN_LIST, DOT, BLANK = 34, 123, 91, 46, 32
local MOST_BYTES, MOST_PAIRS = 30000, 100
-- Bytes of what is kept of an audit event.
local MOST_OF_A_BODY, MOST_OF_A_VALUE, MOST_OF_A_KEY = 2048, 8000, 4000
local LARGEST_CODE = 2 ^ 31
local LETTERS = { I = "info", W = "warn", E = "error", F = "fatal" }
local ESCAPES = { n = "\n", t = "\t", r = "\r" }
local own = settings.control_plane

local controlplane = {}

-- The component that a container is, where its lines go to the control plane's index.
function controlplane.component(place)
  return own and place.namespace == "kube-system" and own.components[place.container] or nil
end

-- The number of the family that its lines belong to.
controlplane.family = own and own.family

-- Whether a file is the audit log, or a rotated one of it.
function controlplane.is_audit(path)
  local prefix = own and own.audit
  return prefix and path and sub(path, 1, #prefix) == prefix or false
end

-- The text that Go has quoted from `i` on, where it stands behind its end; nil where it has none.
local function quoted(text, i)
  local from = i + 1
  while true do
    local at = find(text, '["\\]', from)
    if not at then
      return nil
    end
    if byte(text, at) == QUOTE then
      local found = sub(text, i + 1, at - 1)
      if find(found, "\\", 1, true) then
        found = found:gsub("\\(.)", function(letter)
          return ESCAPES[letter] or letter
        end)
      end
      return found, at + 1
    end
    from = at + 2
  end
end

-- A value from `i` on, and where it ends.
local function value_at(text, i)
  local c = byte(text, i)
  if c == QUOTE then
    local found, after = quoted(text, i)
    if found then
      return found, after
    end
  elseif c == OPEN_LIST or c == OPEN then
    local _, last = find(text, c == OPEN_LIST and "^%[[^%]]*%]" or "^{[^}]*}", i)
    if last then
      return sub(text, i, last), last + 1
    end
  end
  local _, last = find(text, '^[^%s"]*', i)
  return sub(text, i, last), last + 1
end

-- The named values from `i` on; nil where there are none.
local function pairs_of(text, i)
  local found, count
  while (count or 0) < MOST_PAIRS do
    local _, last, name = find(text, "^[%s,]*([%a_@][%w_%./@%-]*)=", i)
    if not last then
      break
    end
    local value
    value, i = value_at(text, last + 1)
    found, count = found or {}, (count or 0) + 1
    found[name] = #value > MOST_BYTES and json.cut(value, MOST_BYTES) or value
  end
  return found
end

local function of_klog(text)
  local letter, source, from = match(text, "^([IWEF])%d%d%d%d %d%d:%d%d:%d%d%.%d+ +%d+ ([^ %]]+:%d+)%] ?()")
  if not letter then
    return nil
  end
  local message, data = sub(text, from), nil
  if byte(text, from) == QUOTE then
    local said, after = quoted(text, from)
    if said then
      message, data = said, pairs_of(text, after)
    end
  end
  return { level = LETTERS[letter], source = source, message = message, data = data }
end

local function of_json(text)
  local data = json.object(text)
  if not data then
    return nil
  end
  local name = type(data.msg) == "string" and "msg" or type(data.message) == "string" and "message" or nil
  local line = { level = level.named(json.severity(data)), message = name and data[name] }
  if name then
    data[name] = nil
  end
  line.data = next(data) and data
  return line
end

local function of_logfmt(text)
  local data = pairs_of(text, 1)
  local line = { level = level.named(data.level), message = data.msg }
  data.level, data.msg, data.time = nil, nil, nil
  line.data = next(data) and data
  if data.arn or data.username then
    local groups
    for name in (data.groups or ""):gmatch("[^%[%] ]+") do
      groups = groups or {}
      groups[#groups + 1] = name
    end
    line.authenticator = { arn = data.arn, username = data.username, client = data.client, groups = groups }
  end
  return line
end

-- What a line of a program says: level, source, message, data, authenticator; each where there is one.
function controlplane.line(text)
  local first = byte(text, 1)
  if first == OPEN then
    return of_json(text) or {}
  elseif find(text, "^time=") or find(text, "^level=") then
    return of_logfmt(text)
  end
  return of_klog(text) or {}
end

-- Of an audit event, by the rules of sidecar/controlplane/audit.py: the documents are the same, byte for byte.

-- Text as it is, shortened; nil of what is none.
local function word(value)
  return type(value) == "string" and json.shortened(value, MOST_OF_A_VALUE) or nil
end

-- The texts of a list; nil where there are none.
local function words(value)
  if type(value) ~= "table" then
    return nil
  end
  local found
  for i = 1, #value do
    local item = word(value[i])
    if item then
      found = found or {}
      found[#found + 1] = item
    end
  end
  return found
end

-- Whether OpenSearch takes a key: not if it is nothing but dots and blanks.
local function is_key(name)
  local first = byte(name, 1)
  return first and #name <= MOST_OF_A_KEY and (first ~= DOT and first ~= BLANK or find(name, "[^. ]") ~= nil)
end

-- What `take` finds in a map, by keys that OpenSearch takes; nil where that is nothing.
local function map(value, take)
  if type(value) ~= "table" then
    return nil
  end
  local found
  for name, item in pairs(value) do
    local taken = type(name) == "string" and is_key(name) and take(item)
    if taken then
      found = found or {}
      found[name] = taken
    end
  end
  return found
end

-- The texts of an object, by name; nil where there are none. `found`: what goes with them.
local function picked(from, names, found)
  for i = 1, #names do
    local name = names[i]
    local value = from[name]
    if type(value) == "string" then
      found = found or {}
      found[name] = #value > MOST_OF_A_VALUE and word(value) or value
    end
  end
  return found
end

local USER = { "username", "uid" }
local TOP = {
  "auditID", "level", "stage", "verb", "requestURI", "userAgent", "requestReceivedTimestamp", "stageTimestamp",
}
local OBJECT = {
  "resource", "subresource", "namespace", "name", "uid", "apiGroup", "apiVersion", "resourceVersion",
}
local STATUS = { "status", "reason", "message" }

local function user(from, has_extra)
  if type(from) ~= "table" then
    return nil
  end
  local groups, extra = words(from.groups), has_extra and map(from.extra, words) or nil
  return picked(from, USER, (groups or extra) and { groups = groups, extra = extra })
end

local function object(from)
  return type(from) == "table" and picked(from, OBJECT) or nil
end

local function status(from)
  if type(from) ~= "table" then
    return nil
  end
  local code = from.code
  local sound = type(code) == "number" and floor(code) == code and code >= -LARGEST_CODE and code < LARGEST_CODE
  return picked(from, STATUS, sound and { code = code } or nil)
end

local function event_of(from)
  local found = picked(from, TOP, {})
  found.user = user(from.user, true)
  found.impersonatedUser = user(from.impersonatedUser)
  found.sourceIPs = words(from.sourceIPs)
  found.objectRef = object(from.objectRef)
  found.responseStatus = status(from.responseStatus)
  found.annotations = map(from.annotations, word)
  return found
end

local BODIES = { requestObject = true, responseObject = true }
local WANTED = { user = true, impersonatedUser = true, sourceIPs = true, objectRef = true, responseStatus = true,
  annotations = true }
for _, name in ipairs(TOP) do
  WANTED[name] = true
end

-- Of a line that is cut, or has bodies: what is left without them, the bodies, and whether it is whole.
local function taken_apart(text)
  local rest, bodies = {}, {}
  local whole = json.members(text, function(name, from, to)
    local value = sub(text, from, to)
    if BODIES[name] then
      bodies[name] = value ~= "null" and json.shortened(value, MOST_OF_A_BODY) or nil
    elseif WANTED[name] then
      rest[#rest + 1] = '"' .. name .. '":' .. value
    end
  end)
  return json.object("{" .. table.concat(rest, ",") .. "}", true), bodies, whole
end

-- The fields of an audit event, and whether its end is missing; nil where the line is none. Bodies, which are most of
-- it, are not looked into: what a client has sent is never taken for what the API server says.
function controlplane.audit(text)
  local has_bodies = find(text, '"requestObject"', 1, true) or find(text, '"responseObject"', 1, true)
  local event, bodies, whole
  if not has_bodies and byte(text, 1) == OPEN then
    event, whole = json.object(text, true), true
  end
  if not event then
    event, bodies, whole = taken_apart(text)
  end
  local found = event and event_of(event) or {}
  if bodies then
    found.requestObject, found.responseObject = bodies.requestObject, bodies.responseObject
  end
  if next(found) == nil then
    return nil
  end
  return found, not whole or nil
end

return controlplane
