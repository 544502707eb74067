-- Logs of a control plane that runs on its own nodes: what a line of one of its programs says, and what an audit event.
-- The documents are those that the Lambda function makes of EKS's logs; see sidecar/controlplane.

local settings, json, level = ...

local byte, find, sub, match = string.byte, string.find, string.sub, string.match

local QUOTE, OPEN, OPEN_LIST = 34, 123, 91
local MOST_BYTES, MOST_PAIRS, MOST_OF_A_BODY = 30000, 100, 2048
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

local REQUEST, RESPONSE, AFTER = ',"requestObject":', ',"responseObject":', ',"requestReceivedTimestamp":"'

-- Where the members begin that follow the bodies: a body may have one of that name within, but only the last is its own.
local function after_bodies(text, from)
  local at
  local found = find(text, AFTER, from, true)
  while found do
    at, found = found, find(text, AFTER, found + 1, true)
  end
  return at
end

local function text_of(value)
  return type(value) == "table" and nil or value ~= nil and tostring(value) or nil
end

local function picked(from, names)
  local found
  if type(from) == "table" then
    for _, name in ipairs(names) do
      local value = text_of(from[name])
      if value then
        found = found or {}
        found[name] = value
      end
    end
  end
  return found
end

local function texts(value)
  return type(value) == "table" and #value > 0 and value or nil
end

local function map(value)
  return type(value) == "table" and next(value) ~= nil and #value == 0 and value or nil
end

local USER = { "username", "uid" }
local TOP = {
  "auditID", "level", "stage", "verb", "requestURI", "userAgent", "requestReceivedTimestamp", "stageTimestamp",
}
local OBJECT = {
  "resource", "subresource", "namespace", "name", "uid", "apiGroup", "apiVersion", "resourceVersion",
}

local function user(from, extra)
  local found = picked(from, USER)
  if found then
    found.groups = texts(from.groups)
    found.extra = extra and map(from.extra)
  end
  return found
end

-- The fields of an audit event, and whether its end is missing; nil where the line is none.
function controlplane.audit(text)
  local request, response = find(text, REQUEST, 1, true), find(text, RESPONSE, 1, true)
  if request and response and response < request then
    request = nil -- within the answer
  end
  local first = request or response
  local event, cut, last
  if first then
    last = after_bodies(text, first)
    event, cut = json.object(sub(text, 1, first - 1) .. (last and sub(text, last) or "}")), not last
  else
    event = json.object(text)
  end
  local found = event and picked(event, TOP)
  if not found then
    return nil
  end
  found.user = user(event.user, true)
  found.impersonatedUser = user(event.impersonatedUser)
  found.sourceIPs = texts(event.sourceIPs)
  found.objectRef = picked(event.objectRef, OBJECT)
  found.annotations = map(event.annotations)
  local status = event.responseStatus
  found.responseStatus = picked(status, { "status", "reason", "message" })
  if type(status) == "table" and type(status.code) == "number" then
    found.responseStatus = found.responseStatus or {}
    found.responseStatus.code = status.code
  end
  if request then
    found.requestObject = json.cut(sub(text, request + #REQUEST, (response or last or 0) - 1), MOST_OF_A_BODY)
  end
  if response then
    found.responseObject = json.cut(sub(text, response + #RESPONSE, (last or 0) - 1), MOST_OF_A_BODY)
  end
  return found, cut
end

return controlplane
