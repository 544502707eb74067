-- The journal of what is held back: parts of a long line, and records that may go on. Fluent Bit's position in a file
-- has passed their lines, so that nobody would read them again after a crash.
--
-- A line of the journal is a held line as it was read, or says what has gone out:
--   L <tab> path <tab> birth <tab> offset <tab> length <tab> line
--   G <tab> path <tab> birth <tab> stream <tab> at <tab> bound <tab> .
-- G: with the line at offset `at`, all that was held of the stream before the offset `bound` went out. It is in a chunk
-- on disk where Fluent Bit's position is behind `at`; where it is not, the process ended before that, and the line comes
-- again. `birth` tells files of one container apart (see files.lua).
--
-- It is emptied when nothing is held. That is safe only once the records that were let go are in a chunk on disk: at a
-- tick they are, because Fluent Bit handles one buffer of lines from end to end before it handles anything else.

local settings, counters = ...

local find, sub, match = string.find, string.sub, string.match

local held = {}

local FILE = settings.state .. "/held.journal"
local COMPACT_BYTES = settings.compact_bytes or 8 * 1024 * 1024

local handle, bytes, broken, torn = nil, 0, false, false

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
  if torn then
    line = "\n" .. line
  end
  -- A line that was written in part must not swallow the next.
  torn = handle ~= nil and not handle:write(line)
  if torn or not handle then
    counters.add("not_journaled")
  end
  bytes = bytes + #line
end

local function line_of(path, birth, offset, raw)
  return "L\t" .. path .. "\t" .. birth .. "\t" .. offset .. "\t" .. #raw .. "\t" .. raw .. "\n"
end

local function gone_of(path, birth, stream, at, bound)
  return "G\t" .. path .. "\t" .. birth .. "\t" .. stream .. "\t" .. at .. "\t" .. bound .. "\t.\n"
end

-- A gzip file is read from its start again, and needs no journal.
function held.line(file, offset, raw)
  if not file.gzip then
    append(line_of(file.path, file.birth, offset, raw))
  end
end

-- `at` is -1 for what is on disk already.
function held.gone(file, stream, at, bound)
  if not file.gzip then
    append(gone_of(file.path, file.birth, stream, at, bound))
  end
end

-- What one line of the journal says; nil where it is torn.
local function parsed(line)
  local kind, path, birth, rest = match(line, "^([LG])\t([^\t]+)\t([^\t]+)\t(.*)$")
  if kind == "L" then
    local offset, length, start = match(rest, "^(%d+)\t(%d+)\t()")
    if offset and #rest - start + 1 == tonumber(length) then
      return path, birth, { offset = tonumber(offset), raw = sub(rest, start) }
    end
  elseif kind == "G" then
    local stream, at, bound = match(rest, "^(std%a%a%a)\t(%-?%d+)\t(%d+)\t%.$")
    if stream then
      return path, birth, { gone = stream, at = tonumber(at), bound = tonumber(bound) }
    end
  end
end

local function read(add)
  local file = io.open(FILE, "r")
  -- As one text: reading by lines would end a line at a zero byte.
  local text = file and file:read("*a") or ""
  if file then
    file:close()
  end
  local start = 1
  while true do
    local last = find(text, "\n", start, true)
    -- What has no end was torn.
    if not last then
      return
    end
    local path, birth, entry = parsed(sub(text, start, last - 1))
    if entry then
      add(path, birth, entry)
    end
    start = last + 1
  end
end

-- What an earlier process held: calls `add(path, birth, entry)` for each entry in order, { offset, raw } or
-- { gone = stream, at, bound }.
function held.load(add)
  read(add)
  open("a")
  bytes = handle and handle:seek("end") or 0
  torn = bytes > 0
end

local function compact(each)
  local fresh = io.open(FILE .. ".tmp", "w")
  if not fresh then
    return
  end
  local good, size = true, 0
  each(function(path, birth, entry)
    local line = entry.raw and line_of(path, birth, entry.offset, entry.raw)
      or gone_of(path, birth, entry.gone, entry.at, entry.bound)
    good = good and fresh:write(line)
    size = size + #line
  end)
  if fresh:close() and good and os.rename(FILE .. ".tmp", FILE) then
    if handle then
      handle:close()
    end
    open("a")
    torn = false
    -- Compacted again only when it has doubled.
    bytes = size > COMPACT_BYTES / 2 and size - COMPACT_BYTES / 2 or size
  end
end

-- Once a second. `nothing`: whether nothing is held; `each` calls back with path, birth and entry of all that is.
function held.tick(nothing, each)
  if not handle then
    open("a")
    torn = true
    bytes = bytes + 1
  elseif nothing and bytes > 0 then
    handle:close()
    open("w")
    bytes, torn = 0, false
  elseif bytes > COMPACT_BYTES then
    compact(each)
  end
end

return held
