-- The files that lines come from. Fluent Bit names a file by the path that it was found under, also after a rotation:
-- two files may share a path for a while. Lines of one file follow each other without a gap, which tells them apart.

local pods, counters = ...

local files = { done = {} }

local FORGET_AFTER = 600 -- ticks
local MOST_OF_A_PATH = 4

local by_path = {}

local function place(path)
  local namespace, pod, uid, container, restart = path:match("([^/_]+)_([^/_]+)_([^/]+)/([^/]+)/(%d+)%.log[^/]*$")
  if not namespace then
    namespace, pod, uid, container, restart = "unknown", path:match("([^/]*)$"), path, "unknown", "0"
  end
  return {
    namespace = namespace,
    pod = pod,
    uid = uid,
    container = container,
    restart = tonumber(restart),
    name = namespace .. "/" .. pod .. "/" .. container,
    -- What the ids of its lines begin with. Neither the file's name nor a label is in it: both change.
    id = uid .. "/" .. container .. "/" .. restart .. "/",
  }
end

-- A gzip file ends with the length of what is in it, modulo 2^32.
local function unpacked_size(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  file:seek("end", -4)
  local last = file:read(4)
  file:close()
  if not last or #last < 4 then
    return nil
  end
  local a, b, c, d = last:byte(1, 4)
  return a + b * 256 + c * 65536 + d * 16777216
end

-- A file that no line comes from.
function files.apart(path, offset)
  local where = place(path)
  local gzip = path:sub(-3) == ".gz"
  return {
    path = path,
    base = path:match("^(.*/%d+)%.log[^/]*$") or path,
    place = where,
    meta = pods.describe(where),
    next = offset,
    touched = 0,
    gzip = gzip,
    size = gzip and unpacked_size(path) or nil,
  }
end

-- The file that a line at `offset` is of, and whether it is the first of it; `ticks` is the present second.
function files.at(path, offset, ticks)
  local known = by_path[path]
  if not known then
    known = {}
    by_path[path] = known
  end
  for i, file in ipairs(known) do
    -- A line may have ended with "\r\n", of which Fluent Bit takes both away.
    if offset == file.next or offset == file.next + 1 then
      if i > 1 then
        table.remove(known, i)
        table.insert(known, 1, file)
      end
      return file, false
    end
  end
  local file = files.apart(path, offset)
  file.touched = ticks
  table.insert(known, 1, file)
  return file, true
end

-- The file that the last line of `path` was of: the usual case, and the fast one.
function files.newest(path)
  local known = by_path[path]
  return known and known[1]
end

-- Whether a file has bytes that Fluent Bit has not handed over; nil where nobody can tell, because the path is now
-- another file's.
function files.has_unread(file)
  if file.gzip then
    return file.size and file.next < file.size
  end
  if files.newest(file.path) ~= file and files.newest(file.path) then
    return nil
  end
  local handle = io.open(file.path, "rb")
  if not handle then
    return nil
  end
  local size = handle:seek("end")
  handle:close()
  if not size or size < file.next then
    return nil
  end
  return size > file.next
end

local function is_open(file)
  return file.stdout and file.stdout.raws or file.stderr and file.stderr.raws
end

local function finished(file)
  return file.gzip and file.size and file.next >= file.size and not is_open(file)
end

function files.tick(ticks)
  for path, known in pairs(by_path) do
    for i = #known, 1, -1 do
      local file = known[i]
      if finished(file) and not files.done[path] then
        files.done[path] = file.next
        counters.changed = true
      end
      local idle = ticks - file.touched
      if not is_open(file) and (idle > FORGET_AFTER or i > MOST_OF_A_PATH) then
        table.remove(known, i)
        files.done[path] = nil
      end
    end
    if #known == 0 then
      by_path[path] = nil
    end
  end
end

return files
