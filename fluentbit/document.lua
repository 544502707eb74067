-- From a record to its document: id, index, metadata, severity, redaction.

local settings, with = ...

local clock, controlplane, counters, json, level, pods, redact =
  with.clock, with.controlplane, with.counters, with.json, with.level, with.pods, with.redact

local byte, match, sub = string.byte, string.match, string.sub

local OPEN, CLOSE, Z = 123, 125, 90
local STREAMS = { stdout = "o/", stderr = "e/" }
local CLUSTER = settings.cluster
local LEVEL, JSON, REDACT = settings.level, settings.json, #settings.redact > 0

local document = {}

local today, tomorrow

-- The index of a family for a date, false where it would be deleted already.
local function index_of(family, date)
  local name
  if family.oldest and date < family.oldest then
    name = false
  elseif family.rotate == "never" then
    name = family.index
  elseif date > tomorrow then
    name = family.index .. "-skewed"
  else
    name = family.index .. "-" .. sub(date, 1, family.rotate == "daily" and 10 or 7):gsub("-", ".")
  end
  family.names[date] = name
  return name
end

-- The same, looked up; nil, and counted, where it would be deleted already.
local function index_or_old(family, date)
  local index = family.names[date]
  if index == nil then
    index = index_of(family, date)
  end
  if not index then
    counters.add("old")
    return nil
  end
  return index
end

-- Once a second: names and limits of retention change with the day.
function document.tick()
  local date = clock.date(0)
  if date == today then
    return
  end
  today, tomorrow = date, clock.date(1)
  for _, family in ipairs(settings.families) do
    family.names = {}
    family.oldest = family.keep_days and clock.date(-family.keep_days)
  end
end

-- The description of the file's container, newest.
local function description(file)
  local meta = file.meta
  if not pods.is_current(meta) then
    meta = pods.describe(file.place)
    file.meta = meta
  end
  return meta
end

-- Whether a container has sent more in the minute of the line's own time than it may.
local function over_limit(file, time, bytes)
  local minute = sub(time, 1, 16)
  -- A record of lines that is complete late counts for the minute that has begun.
  if minute > (file.place.minute or "") then
    file.place.minute, file.place.bytes = minute, 0
  end
  file.place.bytes = file.place.bytes + bytes
  return file.place.bytes > settings.limit
end

local ffi = require("ffi")

local REPLACEMENT = "\239\191\189"

-- How many control characters a text has, tab and line feed not counted, and whether all of it is ASCII.
local function controls(text)
  local bytes, count, all = ffi.cast("const uint8_t *", text), 0, 0
  for i = 0, #text - 1 do
    local c = bytes[i]
    all = bit.bor(all, c)
    if c < 32 and c ~= 9 and c ~= 10 then
      count = count + 1
    end
  end
  return count, all < 128
end

-- How many bytes the UTF-8 character at `i` has (from 0); 0 where there is none: no overlong form, no surrogate.
local function character(bytes, i, size)
  local first = bytes[i]
  if first < 0x80 then
    return 1
  end
  local more = first < 0xC2 and 0 or first < 0xE0 and 1 or first < 0xF0 and 2 or first < 0xF5 and 3 or 0
  if more == 0 or i + more >= size then
    return 0
  end
  local least, most = 0x80, 0xBF
  if first == 0xE0 then
    least = 0xA0
  elseif first == 0xED then
    most = 0x9F
  elseif first == 0xF0 then
    least = 0x90
  elseif first == 0xF4 then
    most = 0x8F
  end
  if bytes[i + 1] < least or bytes[i + 1] > most then
    return 0
  end
  for k = i + 2, i + more do
    if bytes[k] < 0x80 or bytes[k] > 0xBF then
      return 0
    end
  end
  return more + 1
end

-- The place of the first byte from `i` on that is not UTF-8; the size where there is none.
local function first_flaw(bytes, i, size)
  while i < size do
    if bytes[i] < 0x80 then
      i = i + 1
    else
      local length = character(bytes, i, size)
      if length == 0 then
        return i
      end
      i = i + length
    end
  end
  return size
end

-- Each run of bytes that are not UTF-8 becomes one U+FFFD.
local function as_utf8(text)
  local bytes, size = ffi.cast("const uint8_t *", text), #text
  local flaw = first_flaw(bytes, 0, size)
  if flaw == size then
    return text
  end
  local parts, from = {}, 0
  while flaw < size do
    parts[#parts + 1] = sub(text, from + 1, flaw)
    parts[#parts + 1] = REPLACEMENT
    from = flaw + 1
    while from < size and character(bytes, from, size) == 0 do
      from = from + 1
    end
    flaw = first_flaw(bytes, from, size)
  end
  parts[#parts + 1] = sub(text, from + 1)
  return table.concat(parts)
end

-- The text as OpenSearch takes it. In JSON a control character takes six bytes: a line full of them, which is no text,
-- would swell its request beyond what the server takes, so that each run of them becomes one U+FFFD. So do bytes that
-- are not UTF-8, which would be made longer on the way than a field may be.
local function readable(text)
  local count, ascii = controls(text)
  local flooded = count * 8 > #text
  if not ascii then
    text = as_utf8(text)
  end
  if flooded then
    return (text:gsub("[%z\1-\8\11-\31]+", REPLACEMENT))
  end
  return text
end

-- FNV-1a, for what has no time: two files may have the same offset.
local function digest(text)
  local hash = 2166136261
  for i = 1, #text do
    hash = bit.bxor(hash, byte(text, i))
    hash = bit.tobit(hash * 403) + bit.lshift(hash, 24)
  end
  return bit.tohex(hash)
end

-- The document of a line of the control plane.
local function of_control_plane(meta, component, head, text)
  local line = controlplane.line(text)
  head["@id"], head["@message"] = head.id, text
  head["@log_stream"], head.component = meta.kubernetes.pod_name, component
  head.kubernetes = { host = meta.kubernetes.host }
  head.level, head.message, head.source = line.level, line.message, line.source
  head.data, head.authenticator = line.data, line.authenticator
  return head
end

-- The document of a record; nil where it is left out, and counted.
function document.make(file, stream, time, offset, text, cut)
  local meta = description(file)
  if meta.excluded then
    return nil
  end
  local date = sub(time, 1, 10)
  if byte(time, #time) ~= Z then
    date = clock.utc_date(time)
    if not date then
      return document.odd(file, offset, text)
    end
  end
  local index = meta.family.names[date]
  if index == nil then
    index = index_of(meta.family, date)
  end
  if not index then
    counters.add_for("old", file.place.name)
    return nil
  end
  if settings.limit and over_limit(file, time, #text) then
    counters.add_for("limited", file.place.name)
    return nil
  end
  if date > tomorrow then
    counters.add_for("skewed", file.place.name)
  end
  if not meta.known then
    counters.add_for("unenriched", file.place.name)
  end
  if cut then
    counters.add_for("truncated", file.place.name)
  end
  if REDACT then
    text = redact(text)
  end
  text = readable(text)
  if meta.component then
    local id = file.place.id .. STREAMS[stream] .. time .. "/" .. offset
    local head = { ["@timestamp"] = time, id = id, index = index, cluster = CLUSTER, truncated = cut }
    return of_control_plane(meta, meta.component, head, text)
  end
  local data, severity
  if JSON and byte(text, 1) == OPEN and byte(text, #text) == CLOSE then
    data = json.object(text)
    if data then
      severity = LEVEL and level.named(json.severity(data))
    else
      counters.add("not_json")
    end
  end
  if LEVEL and not data then
    severity = level.of(text)
  end
  return {
    ["@timestamp"] = time,
    id = file.place.id .. STREAMS[stream] .. time .. "/" .. offset,
    index = index,
    cluster = CLUSTER,
    log = text,
    stream = stream,
    level = severity or nil,
    truncated = cut,
    data = data,
    kubernetes = meta.kubernetes,
    workload = meta.workload,
  }
end

-- The document of a line that is not what a container runtime writes.
function document.odd(file, offset, raw)
  counters.add_for("malformed", file.place.name)
  local meta = description(file)
  if meta.excluded then
    return nil
  end
  local family = meta.family
  local id = file.place.id .. "?/" .. digest(raw) .. "/" .. offset
  local cut = #raw > settings.max_line or nil
  if cut then
    raw = sub(raw, 1, settings.max_line)
    counters.add_for("truncated", file.place.name)
  end
  return {
    ["@timestamp"] = os.date("!%Y-%m-%dT%H:%M:%SZ"),
    id = id,
    index = family.rotate == "never" and family.index or family.index .. "-undated",
    cluster = CLUSTER,
    log = readable(REDACT and redact(raw) or raw),
    truncated = cut,
    kubernetes = meta.kubernetes,
    workload = meta.workload,
  }
end

-- The document of a line of the audit log. Its place in the file is no part of the id: the file may be rotated to any
-- name. Nor is the event's own id all of it, which who asks may choose.
function document.of_audit(record)
  local raw = record.log
  local event, cut = controlplane.audit(raw)
  local time = event and event.stageTimestamp
  local date = time and match(time, "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.?%d*Z$") and sub(time, 1, 10)
  local family = settings.families[controlplane.family]
  local index
  if date then
    index = index_or_old(family, date)
    if not index then
      return nil
    end
  else
    index = family.rotate == "never" and family.index or family.index .. "-undated"
  end
  if #raw > settings.max_line then
    raw, cut = sub(raw, 1, settings.max_line), true
  end
  local known = event or {}
  local id = string.format("audit/%s/%s/%s", known.auditID or "?", time or "?", digest(record.log))
  local text = readable(REDACT and redact(raw) or raw)
  return {
    ["@timestamp"] = date and time or os.date("!%Y-%m-%dT%H:%M:%SZ"),
    id = id,
    index = index,
    cluster = CLUSTER,
    ["@id"] = id,
    ["@message"] = text,
    ["@log_stream"] = match(record.path, "[^/]*$"),
    component = "audit",
    truncated = cut or nil,
    audit = event,
    kubernetes = { host = pods.node() },
  }
end

-- syslog's priorities.
local PRIORITIES = {
  ["0"] = "fatal",
  ["1"] = "fatal",
  ["2"] = "fatal",
  ["3"] = "error",
  ["4"] = "warn",
  ["5"] = "info",
  ["6"] = "info",
  ["7"] = "debug",
}

-- A field of an entry may be there several times.
local function only(value)
  return type(value) == "table" and value[1] or value
end

-- The document of an entry of systemd's journal; `timestamp` in seconds. An entry has no place in a file: its id is of
-- the boot, the microsecond, the process, and what it says as it was written, whatever is redacted or cut today.
function document.of_unit(timestamp, entry)
  local seconds = math.floor(timestamp)
  local micros = math.floor((timestamp - seconds) * 1e6 + 0.5)
  local date = os.date("!%Y-%m-%d", seconds)
  local index = index_or_old(settings.families[1], date)
  if not index then
    return nil
  end
  local text = entry.MESSAGE or ""
  if type(text) == "table" then
    text = table.concat(text, "\n")
  end
  text = tostring(text)
  local unit, pid, boot = only(entry._SYSTEMD_UNIT) or "", only(entry._PID) or "", only(entry._BOOT_ID) or ""
  local id = string.format("systemd/%s/%d%06d/%s/%s", boot, seconds, micros, pid, digest(unit .. text))
  local cut = #text > settings.max_line or nil
  if cut then
    text = sub(text, 1, settings.max_line)
    counters.add("truncated")
  end
  text = readable(REDACT and redact(text) or text)
  return {
    ["@timestamp"] = os.date("!%Y-%m-%dT%H:%M:%S", seconds) .. string.format(".%06dZ", micros),
    id = id,
    index = index,
    cluster = CLUSTER,
    log = text,
    level = LEVEL and (PRIORITIES[only(entry.PRIORITY)] or level.of(text)) or nil,
    truncated = cut,
    kubernetes = { host = only(entry._HOSTNAME) },
    systemd = { unit = unit, identifier = only(entry.SYSLOG_IDENTIFIER), pid = tonumber(pid) },
  }
end

document.tick()
return document
