-- The files that lines come from. Fluent Bit names a file by the path that it was found under, also after a rotation:
-- two files may share a path for a while, and after a restart one may have another. Lines of one file follow each other
-- without a gap, which tells them apart as long as the process lives. Beyond that a file is known by its birth: how its
-- first line begins, which is a time in nanoseconds.

local pods, counters = ...

local ffi = require("ffi")

ffi.cdef([[
  typedef struct { size_t count; char **names; size_t offset; long more[32]; } sidecar_glob_t;
  int glob(const char *pattern, int flags, void *on_error, sidecar_glob_t *found);
  void globfree(sidecar_glob_t *found);
]])

local files = { done = {} }

local FORGET_AFTER, FORGET_ROTATED_AFTER = 600, 60 -- ticks
local MOST_OF_A_PATH = 4
local HEAD = 64
local MOST_REST = 16 * 1024 * 1024

local by_path = {}
local unpacked = {} -- id and birth -> a gzipped file that is read

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

-- The birth of a file that begins with `text`; a byte that would be the journal's own is none of it.
local function birth_of(text)
  return text:sub(1, HEAD):match("^[^%s%z]+") or "-"
end

-- All names of a container's files: the plain ones, or the gzipped ones with `ending` ".gz".
local function names_of(base, ending)
  local found, names = ffi.new("sidecar_glob_t"), {}
  if ffi.C.glob(base .. ".log*" .. (ending or ""), 0, nil, found) == 0 then
    for i = 0, tonumber(found.count) - 1 do
      local name = ffi.string(found.names[i])
      if ending or name:sub(-3) ~= ".gz" and name:sub(-4) ~= ".tmp" then
        names[#names + 1] = name
      end
    end
    ffi.C.globfree(found)
  end
  return names
end

-- Calls `wanted(handle, birth)` for the files of a container, the one called `name` first, until it says yes; gives back
-- the handle, the birth and the name of that one.
local function search(name, base, wanted)
  local function try(candidate)
    local handle = io.open(candidate, "rb")
    local head = handle and handle:read(HEAD)
    if head and wanted(handle, birth_of(head)) then
      return handle, birth_of(head), candidate
    end
    if handle then
      handle:close()
    end
  end
  local handle, birth, found = try(name)
  if handle then
    return handle, birth, found
  end
  for _, candidate in ipairs(names_of(base)) do
    handle, birth, found = try(candidate)
    if handle then
      return handle, birth, found
    end
  end
end

-- A handle of the file itself, wherever it is now; nil where it is gone.
local function opened(file)
  local handle, _, name = search(file.name, file.base, function(_, birth)
    return birth == file.birth
  end)
  file.name = name or file.name
  return handle
end

local function has_line(handle, offset, raw)
  handle:seek("set", offset)
  return raw == "" or handle:read(#raw) == raw
end

-- The birth of the file that has this line, and its name.
local function identified(path, base, offset, raw)
  if offset == 0 then
    return birth_of(raw), path
  end
  local handle, birth, name = search(path, base, function(handle)
    return has_line(handle, offset, raw)
  end)
  if handle then
    handle:close()
  end
  return birth, name
end

function files.base(path)
  return path:match("^(.*/%d+)%.log[^/]*$") or path
end

-- A file that no line comes from, or none yet. Where nobody knows the birth, it is one that no other file has.
function files.apart(path, offset, birth)
  local where = place(path)
  local gzip = path:sub(-3) == ".gz"
  return {
    path = path,
    name = path,
    base = files.base(path),
    birth = birth or "?" .. offset .. "?" .. os.time(),
    known = birth ~= nil,
    place = where,
    meta = pods.describe(where),
    next = offset,
    touched = 0,
    gzip = gzip,
    size = gzip and unpacked_size(path) or nil,
  }
end

local function to_front(known, i)
  local file = table.remove(known, i)
  table.insert(known, 1, file)
  return file
end

-- Of several files of a path that go on at `offset`, the one that has the line.
local function one_of(known, places, offset, raw)
  for _, i in ipairs(places) do
    local handle = opened(known[i])
    local found = handle and has_line(handle, offset, raw)
    if handle then
      handle:close()
    end
    if found then
      return i
    end
  end
  return places[1]
end

-- The file that a line is of, and whether it is the first of it; `ticks` is the present second. Where the file was read
-- before and is read again, also what it was known as.
function files.at(path, offset, raw, ticks)
  local known = by_path[path]
  if not known then
    known = {}
    by_path[path] = known
  end
  local places = {}
  for i, file in ipairs(known) do
    -- A line may have ended with "\r\n", of which Fluent Bit takes both away.
    if offset == file.next or offset == file.next + 1 then
      places[#places + 1] = i
    end
  end
  if #places > 0 then
    return to_front(known, #places > 1 and one_of(known, places, offset, raw) or places[1]), false
  end
  local birth, name = identified(path, files.base(path), offset, raw)
  local before
  for i, file in ipairs(known) do
    if file.birth == birth then
      -- Lines that Fluent Bit left out.
      if offset > file.next then
        return to_front(known, i), false
      end
      before = table.remove(known, i)
      break
    end
  end
  local file = files.apart(path, offset, birth)
  file.name = name or path
  file.touched = ticks
  table.insert(known, 1, file)
  if file.gzip and offset == 0 then
    unpacked[file.place.id .. file.birth] = file
  end
  return file, true, before
end

-- Whether the line at `offset` has come from the gzipped one of a file too.
function files.read_elsewhere(file, offset)
  local other = unpacked[file.place.id .. file.birth]
  return other ~= nil and other ~= file and other.next > offset
end

function files.is_gone(path, birth)
  local handle = opened({ name = path, base = files.base(path), birth = birth })
  if handle then
    handle:close()
  end
  return not handle
end

-- Of the times to wait for more of a file, the one that holds: `unread` is whether it has more, nil where it is gone.
function files.patience(file, unread, gone, packed, behind)
  if unread then
    return behind
  end
  return #names_of(file.base, ".gz") > 0 and packed or gone
end

-- The only file of `path`, if it is the only one: the usual case, and the fast one.
function files.only(path)
  local known = by_path[path]
  return known and not known[2] and known[1]
end

-- Whether a file has bytes that Fluent Bit has not handed over; nil where nobody can tell, because it is gone.
function files.has_unread(file)
  if file.gzip then
    return file.size and file.size - file.next > 1
  end
  local handle = opened(file)
  if not handle then
    return nil
  end
  local size = handle:seek("end")
  local rest = ""
  if size == file.next + 1 then
    handle:seek("set", file.next)
    rest = handle:read(1)
  end
  handle:close()
  if not size or size < file.next then
    return nil
  end
  -- The second byte of a "\r\n" is no line.
  return size > file.next and rest ~= "\n"
end

-- Whether a file was rotated, and another one is written instead: it gets no more.
function files.is_replaced(file)
  if not file.path:find("%.log$") then
    return true
  end
  for _, other in ipairs(by_path[file.path] or {}) do
    if other ~= file and other.birth > file.birth then
      return true
    end
  end
  return false
end

-- The file's bytes from `offset` on; nil where it is gone.
function files.rest(file, offset)
  local handle = opened(file)
  if not handle then
    return nil
  end
  handle:seek("set", offset)
  local rest = handle:read(MOST_REST) or ""
  handle:close()
  return rest
end

local function is_open(file)
  return file.stdout and file.stdout.raws or file.stderr and file.stderr.raws
end

local function finished(file)
  return file.gzip and file.size and file.size - file.next <= 1 and not is_open(file)
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
      local long = i > 1 and FORGET_ROTATED_AFTER or FORGET_AFTER
      if not is_open(file) and (idle > long or i > MOST_OF_A_PATH) then
        table.remove(known, i)
        files.done[path] = nil
        if file.gzip then
          unpacked[file.place.id .. file.birth] = nil
        end
      end
    end
    if #known == 0 then
      by_path[path] = nil
    end
  end
end

return files
