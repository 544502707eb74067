-- The journal of what is held back: parts of a long line, and records that may go on. Fluent Bit's position in a file
-- has passed their lines, so that nobody would read them again after a crash.
--
-- A line of the journal is a held line as it was read, or the place before which a record was known to be complete:
--   L <tab> path <tab> offset <tab> line
--   E <tab> path <tab> stream <tab> offset <tab> time
-- It is emptied when nothing is held. That is safe only once the records that were let go are in a chunk on disk: at a
-- tick they are, because Fluent Bit handles one buffer of lines from end to end before it handles anything else.

local settings, counters = ...

local held = {}

local FILE = settings.state .. "/held.journal"
local COMPACT_BYTES = 8 * 1024 * 1024

local handle, bytes, broken = nil, 0, false

local function open(mode)
  handle = io.open(FILE, mode)
  if handle then
    -- One write call a line: what is in the kernel's hands survives the process.
    handle:setvbuf("no")
  elseif not broken then
    io.stderr:write("[fluent-sidecar] can't write ", FILE, "\n")
  end
  broken = handle == nil
end

local function append(line)
  if not handle then
    counters.add("not_journaled")
    return
  end
  if not handle:write(line) then
    counters.add("not_journaled")
  end
  bytes = bytes + #line
end

function held.line(path, offset, raw)
  append("L\t" .. path .. "\t" .. offset .. "\t" .. raw .. "\n")
end

-- The record that is open in a stream of `path` ends before the line at `offset`, written at `time`.
function held.ended(path, stream, offset, time)
  append("E\t" .. path .. "\t" .. stream .. "\t" .. offset .. "\t" .. time .. "\n")
end

-- What an earlier process held, by the base of the file's path ("/var/log/pods/<pod>/<container>/<restart>"): lists of
-- entries in order. A gzip file is read from its start again, and needs none.
function held.load()
  local entries = {}
  local file = io.open(FILE, "r")
  if file then
    for line in file:lines() do
      local kind, path, rest = line:match("^([LE])\t([^\t]+)\t(.*)$")
      local entry
      if kind == "L" then
        local offset, raw = rest:match("^(%d+)\t(.*)$")
        entry = offset and { path = path, offset = tonumber(offset), raw = raw, time = raw:match("^%S+") or "" }
      elseif kind == "E" then
        local stream, offset, time = rest:match("^(std%a%a%a)\t(%d+)\t(.*)$")
        entry = offset and { path = path, offset = tonumber(offset), ended = stream, time = time }
      end
      if entry and path:sub(-3) ~= ".gz" then
        local key = path:match("^(.*/%d+)%.log[^/]*$") or path
        entries[key] = entries[key] or {}
        table.insert(entries[key], entry)
      end
    end
    file:close()
  end
  open("a")
  bytes = handle and handle:seek("end") or 0
  -- A torn last line must not swallow the next.
  if bytes > 0 then
    append("\n")
  end
  return entries
end

-- Once a second. `lines` calls back with path, offset and line of each that is held; nil where only the journal knows.
function held.tick(nothing, lines)
  if bytes == 0 and handle then
    return
  end
  if nothing then
    if handle then
      handle:close()
    end
    open("w")
    bytes = 0
  elseif lines and bytes > COMPACT_BYTES then
    local fresh = io.open(FILE .. ".tmp", "w")
    if not fresh then
      return
    end
    local good, size = true, 0
    lines(function(path, offset, raw)
      local line = "L\t" .. path .. "\t" .. offset .. "\t" .. raw .. "\n"
      good = good and fresh:write(line)
      size = size + #line
    end)
    if fresh:close() and good and os.rename(FILE .. ".tmp", FILE) then
      if handle then
        handle:close()
      end
      open("a")
      -- Compacted again only when it has doubled.
      bytes = size > COMPACT_BYTES / 2 and size - COMPACT_BYTES / 2 or size
    end
  elseif not handle then
    open("a")
  end
end

return held
