-- From physical lines to records: the parts of a long line become a line, and lines become a record of several.
--
-- A stream of a file has a slot:
--   line     the parts of a line whose end has not come
--   record   the lines of a record that may go on
--   raws     the lines of both, as they were read: { offset, raw line, offset, raw line, ... }
-- Where a record ends follows from what its lines say and from their own times, so that it is the same each time.

local settings, with = ...

local clock, counters, document, files, held, multiline =
  with.clock, with.counters, with.document, with.files, with.held, with.multiline

local find, byte, sub, concat = string.find, string.byte, string.sub, table.concat

local join = {}

local MOST_BYTES = settings.max_line
-- Seconds between the times of two lines of one record, and of two parts of one line: an application may take its time
-- over the second half of a line, while the runtime writes the first as soon as 16 KiB are full.
local LINE_GAP, PART_GAP = settings.multiline_timeout, 60
-- Ticks without a line of the file before what is held goes out: when the file holds no more (beyond the gap); when it
-- is gone (Fluent Bit reads a rotated one for 30 s); when it is gone, but may be read again from a gzipped one; and when
-- Fluent Bit is far behind.
local MARGIN, ROTATED, PACKED, BEHIND = 2, 35, 90, 600
local FULL, PARTIAL, SPACE, LETTER_O, LETTER_E = 70, 80, 32, 111, 101

local now = 0
local open_slots = {} -- slot -> file
local left = {} -- what an earlier process held: base -> birth -> list of entries (see held.load), with `path`
local sent = {} -- what went out at the last tick: { file, stream, bound }

held.load(function(path, birth, entry)
  local base = files.base(path)
  left[base] = left[base] or {}
  left[base][birth] = left[base][birth] or { path = path }
  table.insert(left[base][birth], entry)
end)

local function put(records, record)
  if record then
    records[#records + 1] = record
  end
end

local function longer_ago(before, after, gap)
  if before == after then
    return false
  end
  local from, to = clock.seconds(before), clock.seconds(after)
  return from ~= nil and to ~= nil and to - from > gap
end

local function keep(file, slot, offset, raw)
  slot.raws = slot.raws or {}
  slot.raws[#slot.raws + 1] = offset
  slot.raws[#slot.raws + 1] = raw
  open_slots[slot] = file
end

-- The offset of the first line that is held, nil where there is none.
local function first_held(slot)
  local first = slot.record or slot.line
  return first and first.offset
end

-- What has gone out is no longer held; gives back whether something had been.
local function let_go(slot)
  local first, raws = first_held(slot), slot.raws
  if not raws or first and raws[1] >= first then
    return false
  end
  local rest
  if first then
    rest = {}
    for i = 1, #raws, 2 do
      if raws[i] >= first then
        rest[#rest + 1], rest[#rest + 2] = raws[i], raws[i + 1]
      end
    end
  end
  slot.raws = rest
  if not rest then
    open_slots[slot] = nil
  end
  return true
end

-- The open record goes out.
local function complete(file, slot, records)
  local record = slot.record
  if record then
    slot.record = nil
    put(records, document.make(file, slot.stream, record.time, record.offset, concat(record.texts, "\n"), record.cut))
  end
end

-- A whole line { time, last, offset, text, cut }.
local function whole(file, slot, line, records)
  local record = slot.record
  if record then
    local state
    if record.bytes + #line.text < MOST_BYTES and not longer_ago(record.last, line.time, LINE_GAP) then
      state = record.rule.continues(line.text, record.state)
    end
    if state then
      record.texts[#record.texts + 1] = line.text
      record.bytes = record.bytes + #line.text + 1
      record.state, record.last, record.cut = state, line.last, record.cut or line.cut
      return
    end
    complete(file, slot, records)
  end
  local rule = multiline.beginning(multiline.rules_for(file.meta.rules), line.text)
  if rule then
    slot.record = {
      rule = rule,
      state = true,
      texts = { line.text },
      bytes = #line.text,
      time = line.time,
      offset = line.offset,
      last = line.last,
      cut = line.cut,
    }
    return
  end
  put(records, document.make(file, slot.stream, line.time, line.offset, line.text, line.cut))
end

local function add_part(line, text, time)
  local room = MOST_BYTES - line.bytes
  line.last = time
  if #text > room then
    text, line.cut = sub(text, 1, room), true
  end
  line.texts[#line.texts + 1] = text
  line.bytes = line.bytes + #text
end

-- The unfinished line goes on as it is.
local function end_line(file, slot, records)
  local line = slot.line
  slot.line = nil
  line.text = concat(line.texts)
  whole(file, slot, line, records)
end

local function part(slot, offset, time, text)
  local line = slot.line
  if not line then
    line = { time = time, last = time, offset = offset, texts = {}, bytes = 0 }
    slot.line = line
  end
  add_part(line, text, time)
end

-- The stream, flag, time and text of a line as a container runtime writes it: "<time> stdout F <text>"; nil where it is
-- no such line. After the flag, further tags may come ("F:tag").
local function parsed(raw)
  local space = find(raw, " ", 1, true)
  if not space then
    return nil
  end
  local letter, flag = byte(raw, space + 4), byte(raw, space + 8)
  local stream = letter == LETTER_O and "stdout" or letter == LETTER_E and "stderr"
  if not stream or flag ~= FULL and flag ~= PARTIAL or sub(raw, space + 1, space + 6) ~= stream then
    return nil
  end
  local text = space + 9
  if byte(raw, text) ~= SPACE then
    text = find(raw, " ", text, true) or #raw
  end
  local time = sub(raw, 1, space - 1)
  if not clock.is_time(time) then
    return nil
  end
  return stream, flag, time, sub(raw, text + 1)
end

-- One physical line of a stream in which something is held, or where something begins to be, into `records`; gives back
-- whether the journal has to have it.
local function take_held(file, slot, flag, offset, raw, time, text, records)
  if slot.line and longer_ago(slot.line.last, time, PART_GAP) then
    end_line(file, slot, records)
  end
  -- Of a line that is as long as it may be already, the journal needs the time only.
  local full = slot.line and slot.line.cut
  if flag == PARTIAL then
    part(slot, offset, time, text)
  elseif slot.line then
    local line = slot.line
    slot.line = nil
    add_part(line, text, time)
    line.text = concat(line.texts)
    whole(file, slot, line, records)
  elseif #text <= MOST_BYTES then
    whole(file, slot, { time = time, last = time, offset = offset, text = text }, records)
  else
    local line = { time = time, last = time, offset = offset, text = sub(text, 1, MOST_BYTES), cut = true }
    whole(file, slot, line, records)
  end
  if let_go(slot) then
    held.gone(file, slot.stream, offset, first_held(slot) or offset + 1)
  end
  if first_held(slot) then
    raw = full and sub(raw, 1, #raw - #text) or raw
    keep(file, slot, offset, raw)
    return raw
  end
end

-- One physical line: a document, or nil and what the journal has to have; where more comes of it, into `records`.
local function take(file, offset, raw, records)
  local stream, flag, time, text = parsed(raw)
  if not stream then
    return document.odd(file, offset, raw)
  end
  file.time = time
  local slot = file[stream]
  if not slot then
    slot = { stream = stream }
    file[stream] = slot
  end
  if flag == FULL and not slot.line and not slot.record and #text <= MOST_BYTES then
    local rules = multiline.rules_for(file.meta.rules)
    if not multiline.may_begin(rules, text) then
      return document.make(file, stream, time, offset, text)
    end
  end
  return nil, take_held(file, slot, flag, offset, raw, time, text, records)
end

-- The entries of one file as lines in their order, { offset, raw }: those before `offset`, where the file is read on.
-- What lies behind it will come again, and what has gone out before it is on disk.
local function still_held(entries, offset)
  local lines, bounds, known = {}, { stdout = 0, stderr = 0 }, {}
  for _, entry in ipairs(entries) do
    if entry.gone and entry.at < offset then
      bounds[entry.gone] = math.max(bounds[entry.gone], entry.bound)
    end
  end
  for _, entry in ipairs(entries) do
    if entry.raw and entry.offset < offset and not known[entry.offset] then
      known[entry.offset] = true
      if entry.offset >= (bounds[parsed(entry.raw)] or 0) then
        lines[#lines + 1] = entry
      end
    end
  end
  table.sort(lines, function(a, b)
    return a.offset < b.offset
  end)
  return lines
end

local function take_up(file, entries, offset, records)
  for _, line in ipairs(still_held(entries, offset)) do
    put(records, (take(file, line.offset, line.raw, records)))
  end
end

-- The birth of a file that is gone from the disk, although Fluent Bit still reads it, by one of its lines: of those that
-- are gone it is the youngest that is no younger than the line.
local function birth_of_gone(of_base, raw)
  local found
  for birth, entries in pairs(of_base) do
    if birth <= sub(raw, 1, #birth) and (not found or birth > found) and files.is_gone(entries.path, birth) then
      found = birth
    end
  end
  return found
end

-- What an earlier process held of this file, one of whose lines is `raw`, if anything.
local function left_of(file, raw)
  local of_base = left[file.base]
  if not of_base then
    return nil
  end
  local birth = file.known and file.birth or birth_of_gone(of_base, raw)
  local entries = birth and of_base[birth]
  if not entries then
    return nil
  end
  of_base[birth] = nil
  if next(of_base) == nil then
    left[file.base] = nil
  end
  return entries
end

-- What is held of a file that is read again.
local function taken_back(before)
  local entries = {}
  for _, stream in ipairs({ "stdout", "stderr" }) do
    local slot = before[stream]
    local raws = slot and slot.raws or {}
    for i = 1, #raws, 2 do
      entries[#entries + 1] = { offset = raws[i], raw = raws[i + 1] }
    end
    if slot then
      open_slots[slot] = nil
    end
  end
  return entries
end

-- Everything that is held of a stream.
function join.flush(file, slot, records)
  if slot.line then
    end_line(file, slot, records)
  end
  complete(file, slot, records)
  let_go(slot)
end

local gathered = {}

-- A record of the tail input; gives back a document, a list of several, or nil.
function join.line(record)
  local path, offset, raw = record.path, record.offset, record.log
  local file = files.only(path)
  if not file or file.next ~= offset then
    local fresh, before
    file, fresh, before = files.at(path, offset, raw, now)
    if fresh then
      local entries = before and taken_back(before) or left_of(file, raw)
      take_up(file, entries or {}, offset, gathered)
    end
  end
  file.next = offset + #raw + 1
  file.touched = now
  local one, to_hold = take(file, offset, raw, gathered)
  if to_hold then
    held.line(file, offset, to_hold)
  end
  if #gathered == 0 then
    return one
  end
  local several = gathered
  gathered = {}
  put(several, one)
  return #several > 1 and several or several[1]
end

-- Whether what a slot holds can get no more: because a later line has passed it, or nothing comes any more; and whether
-- that is a guess.
local function is_due(file, slot)
  local last = (slot.line or slot.record).last
  local gap = slot.line and PART_GAP or LINE_GAP
  -- Times of the two streams may be in the wrong order, by less than the margin.
  if file.time and longer_ago(last, file.time, gap + MARGIN) then
    return true
  end
  local idle = now - file.touched
  if idle >= MARGIN and files.is_replaced(file) and files.has_unread(file) == false then
    return true
  end
  if idle < gap + MARGIN then
    return false
  end
  local unread = files.has_unread(file)
  if unread == false then
    return true
  end
  return idle >= math.max(files.patience(file, unread, ROTATED, PACKED, BEHIND), gap + MARGIN), true
end

local function send(file, slot, bound, records, unsaid)
  if unsaid then
    slot.line, slot.record = nil, nil
  end
  join.flush(file, slot, records)
  sent[#sent + 1] = { file, slot.stream, bound }
end

-- What is held goes out although it may go on, except where the whole of it comes from the gzipped file.
local function guess(file, slot, last, bound, records)
  if files.read_elsewhere(file, last) then
    send(file, slot, bound, records, true)
    return
  end
  send(file, slot, bound, records)
  counters.add("flushed_by_timer")
end

local function flush_due(records)
  for slot, file in pairs(open_slots) do
    local due, guessed = is_due(file, slot)
    if due and guessed then
      guess(file, slot, slot.raws[#slot.raws - 1], file.next, records)
    elseif due then
      send(file, slot, file.next, records)
    end
  end
end

-- Whether lines of a stream whose last one is held follow in the file; nil where it is gone. Nobody knows how far Fluent
-- Bit has read; but where it had read such a line, the record would not be held, or the line too.
local function is_followed(file, lines)
  local after = {}
  for _, line in ipairs(lines) do
    local stream = parsed(line.raw)
    if stream then
      after[stream] = line.offset + #line.raw + 1
    end
  end
  for stream, offset in pairs(after) do
    local rest = files.rest(file, offset)
    if not rest then
      return nil
    end
    for raw in rest:gmatch("[^\n]+") do
      if parsed(raw) == stream then
        return true
      end
    end
  end
  return false
end

-- What an earlier process held of a file that no line has come from since.
local function flush_unread(birth, entries, records)
  local file = files.apart(entries.path, 0, birth)
  local lines = still_held(entries, math.huge)
  local last = #lines > 0 and lines[#lines].offset or 0
  local followed = is_followed(file, lines)
  if followed ~= false and now < files.patience(file, followed, ROTATED, PACKED, BEHIND) then
    return false
  end
  take_up(file, entries, math.huge, records)
  for _, stream in ipairs({ "stdout", "stderr" }) do
    if file[stream] and first_held(file[stream]) then
      if followed == false then
        send(file, file[stream], last + 1, records)
      else
        guess(file, file[stream], last, last + 1, records)
      end
    end
  end
  return true
end

local function flush_left(records)
  if now % ROTATED ~= 0 then
    return
  end
  for base, of_base in pairs(left) do
    for birth, entries in pairs(of_base) do
      if flush_unread(birth, entries, records) then
        of_base[birth] = nil
      end
    end
    if next(of_base) == nil then
      left[base] = nil
    end
  end
end

local function each_held(add)
  for slot, file in pairs(open_slots) do
    for i = 1, #slot.raws, 2 do
      add(file.path, file.birth, { offset = slot.raws[i], raw = slot.raws[i + 1] })
    end
  end
  for _, of_base in pairs(left) do
    for birth, entries in pairs(of_base) do
      for _, entry in ipairs(entries) do
        add(entries.path, birth, entry)
      end
    end
  end
end

-- Once a second: what is due; gives back a list of documents, or nil.
--
-- The journal first: what goes out now is on disk only when Fluent Bit has taken it, which is so at the next tick.
function join.tick()
  now = clock.ticks
  for _, each in ipairs(sent) do
    held.gone(each[1], each[2], -1, each[3])
  end
  sent = {}
  held.tick(next(open_slots) == nil and next(left) == nil, each_held)
  local due = {}
  flush_due(due)
  flush_left(due)
  return #due > 0 and due or nil
end

return join
