-- The Lua filter of fluent-sidecar: from a physical line of a pod's log file to its document.
--
-- Fluent Bit calls `logs` for every line that its tail input reads (tag "logs": path, offset, log) and once a second
-- (tag "fluent-sidecar.tick"). What a record consists of follows from the file's bytes alone: parts of a long line and
-- the lines of a stack trace are joined by their content and by their own times, never by when they were read. So
-- whoever reads the file again, from wherever, comes to the same records with the same ids.
--
-- It runs in LuaJIT, in the thread of Fluent Bit's event loop.

local HERE = debug.getinfo(1, "S").source:match("^@(.*/)") or "./"

local function module(name, ...)
  return assert(loadfile(HERE .. name .. ".lua"))(...)
end

local settings = module("settings")
local clock = module("clock")
local counters = module("counters", settings)
local json, level = module("json"), module("level")
local controlplane = module("controlplane", settings, json, level)
local pods = module("pods", settings, controlplane)
local document = module("document", settings, {
  clock = clock,
  controlplane = controlplane,
  counters = counters,
  json = json,
  level = level,
  pods = pods,
  redact = module("redact", settings, counters),
})
local held = module("held", settings, counters)
local files = module("files", pods, counters)
local join = module("join", settings, {
  clock = clock,
  counters = counters,
  document = document,
  files = files,
  held = held,
  multiline = module("multiline", settings),
})

local TICK, SYSTEMD = "fluent-sidecar.tick", "fluent-sidecar.systemd"
local KEEP_TIME, DROP = 2, -1

local function tick()
  clock.tick()
  pods.tick(clock.ticks)
  document.tick()
  local records = join.tick()
  files.tick(clock.ticks)
  counters.tick(files)
  return records
end

local function record_of(tag, timestamp, record)
  if tag == TICK then
    return tick()
  elseif tag == SYSTEMD then
    return document.of_unit(timestamp, record)
  elseif controlplane.is_audit(record.path) then
    return document.of_audit(record)
  end
  return join.line(record)
end

-- What goes out of a record that the filter failed at.
local function rescued(tag, record)
  if tag == TICK or tag == SYSTEMD then
    return nil
  end
  local path, offset, raw = tostring(record.path), tonumber(record.offset) or 0, tostring(record.log)
  return document.odd(files.apart(path, offset), offset, raw)
end

-- The callback. An error of its own must not reach Fluent Bit, which would pass a whole buffer of raw lines on.
function logs(tag, timestamp, record)
  local ok, result = pcall(record_of, tag, timestamp, record)
  if not ok then
    counters.failed(result)
    ok, result = pcall(rescued, tag, record)
  end
  if not ok or result == nil then
    return DROP, timestamp, nil
  end
  return KEEP_TIME, timestamp, result
end
