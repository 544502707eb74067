-- From physical lines to records: the parts of a long line become a line, and lines become a record of several.
--
-- A stream of a file has a slot:
--   line     the parts of a line whose end has not come
--   record   the lines of a record that may go on
--   raws     what is held, as it was read: { offset, raw line, offset, raw line, ... }
-- Where a record ends follows from what its lines say and from their own times, so that it is the same each time.

local settings, with = ...

local clock, document, files, held, multiline = with.clock, with.document, with.files, with.held, with.multiline

local find, byte, sub, match, concat = string.find, string.byte, string.sub, string.match, table.concat

local join = {}

local MOST_BYTES = settings.max_line
-- Seconds between the times of two lines of one record, and of two parts of one line: an application may take its time
-- over the second half of a line, while the runtime writes the first as soon as 16 KiB are full.
local LINE_GAP, PART_GAP = settings.multiline_timeout, 60
-- Ticks without a line of the file before what is held goes out, when the file holds no more (beyond the gap), and when
-- nobody can tell, because it was rotated (Fluent Bit reads it for 30 s), or because Fluent Bit is far behind.
local MARGIN, ROTATED, BEHIND = 2, 35, 600
local FULL, PARTIAL, DASH, SPACE, LETTER_O, LETTER_E = 70, 80, 45, 32, 111, 101

local now = 0
local open_slots = {} -- slot -> file
local left = held.load() -- what an earlier process held, by the file's base

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

local function release(slot)
  if not slot.line and not slot.record then
    slot.raws = nil
    open_slots[slot] = nil
  end
end

-- The open record goes out.
local function complete(file, slot, records)
  local record = slot.record
  if record then
    slot.record = nil
    put(records, document.make(file, slot.stream, record.time, record.offset, concat(record.texts, "\n"), record.cut))
    release(slot)
  end
end

-- A whole line { time, last, offset, text, cut }; gives back whether it is held.
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
      return true
    end
    held.ended(file.path, slot.stream, line.offset, line.time)
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
    return true
  end
  put(records, document.make(file, slot.stream, line.time, line.offset, line.text, line.cut))
  return false
end

-- A part; gives back whether it was added, which it isn't where the line is as long as it may be.
local function add_part(line, text, time)
  local room = MOST_BYTES - line.bytes
  line.last = time
  if #text > room then
    text, line.cut = sub(text, 1, room), true
  end
  line.texts[#line.texts + 1] = text
  line.bytes = line.bytes + #text
  return room > 0
end

-- The unfinished line goes on as it is.
local function end_line(file, slot, records)
  local line = slot.line
  slot.line = nil
  line.text = concat(line.texts)
  return whole(file, slot, line, records)
end

local function part(file, slot, offset, raw, time, text)
  local line = slot.line
  if not line then
    line = { time = time, last = time, offset = offset, texts = {}, bytes = 0 }
    slot.line = line
  end
  if add_part(line, text, time) then
    keep(file, slot, offset, raw)
    return true
  end
  return false
end

-- The stream, flag, time and text of a line as a container runtime writes it: "<time> stdout F <text>"; nil where it is
-- no such line. After the flag, further tags may come ("F:tag").
local function parsed(raw)
  local space = find(raw, " ", 1, true)
  if not space or byte(raw, 5) ~= DASH then
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
  return stream, flag, sub(raw, 1, space - 1), sub(raw, text + 1)
end

-- One physical line of a stream in which something is held, or where something begins to be, into `records`; gives back
-- whether the journal has to have it.
local function take_held(file, slot, flag, offset, raw, time, text, records)
  if slot.line and longer_ago(slot.line.last, time, PART_GAP) then
    held.ended(file.path, slot.stream, offset, time)
    end_line(file, slot, records)
  end
  if flag == PARTIAL then
    return part(file, slot, offset, raw, time, text)
  end
  local line
  if slot.line then
    line, slot.line = slot.line, nil
    add_part(line, text, time)
    line.text = concat(line.texts)
  elseif #text <= MOST_BYTES then
    line = { time = time, last = time, offset = offset, text = text }
  else
    line = { time = time, last = time, offset = offset, text = sub(text, 1, MOST_BYTES), cut = true }
  end
  local raws = slot.raws
  if whole(file, slot, line, records) then
    -- The parts of this line stay with it; what was held before it has gone out with its record.
    if line.texts and not slot.raws then
      slot.raws = raws
    end
    keep(file, slot, offset, raw)
    return true
  end
  release(slot)
  return false
end

-- One physical line: a document, or nil and whether it is held; where more comes of it, into `records`.
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

-- What an earlier process held of the file that a line at `offset` is the first of: what lies before it is taken up
-- again, what lies behind it will come again; what is older, although it lies behind, is of a file before this one.
local function take_up(file, offset, time, records)
  local entries = left[file.base]
  if not entries then
    return
  end
  local others = {}
  for _, entry in ipairs(entries) do
    local before, older = entry.offset < offset, entry.time <= time
    if before and older then
      if entry.raw then
        put(records, (take(file, entry.offset, entry.raw, records)))
      elseif file[entry.ended] then
        join.flush(file, file[entry.ended], records)
      end
    elseif older then
      others[#others + 1] = entry
    end
  end
  left[file.base] = #others > 0 and others or nil
end

-- Everything that is held of a stream.
function join.flush(file, slot, records)
  if slot.line then
    end_line(file, slot, records)
  end
  complete(file, slot, records)
  release(slot)
end

local gathered = {}

-- A record of the tail input; gives back a document, a list of several, or nil.
function join.line(record)
  local path, offset, raw = record.path, record.offset, record.log
  local file = files.newest(path)
  if not file or file.next ~= offset then
    local fresh
    file, fresh = files.at(path, offset, now)
    if fresh then
      take_up(file, offset, match(raw, "^%S+") or "", gathered)
    end
  end
  file.next = offset + #raw + 1
  file.touched = now
  local one, is_held = take(file, offset, raw, gathered)
  if is_held then
    held.line(path, offset, raw)
  end
  if #gathered == 0 then
    return one
  end
  local several = gathered
  gathered = {}
  put(several, one)
  return #several > 1 and several or several[1]
end

-- Whether what a slot holds can get no more: because a later line has passed it, or nothing comes any more.
local function is_due(file, slot)
  local last = (slot.line or slot.record).last
  local gap = slot.line and PART_GAP or LINE_GAP
  if file.time and longer_ago(last, file.time, gap) then
    return true
  end
  local idle = now - file.touched
  if idle < gap + MARGIN then
    return false
  end
  local unread = files.has_unread(file)
  return unread == false or idle >= BEHIND or unread == nil and idle >= ROTATED
end

local function flush_due(records)
  for slot, file in pairs(open_slots) do
    if is_due(file, slot) then
      held.ended(file.path, slot.stream, file.next, file.time or "")
      join.flush(file, slot, records)
    end
  end
end

-- What an earlier process held of files that no line has come from since.
local function flush_left(records)
  if now < ROTATED then
    return
  end
  for base, entries in pairs(left) do
    local last = entries[#entries]
    local file = files.apart(last.path, last.offset + #(last.raw or ""))
    if files.has_unread(file) ~= true or now >= BEHIND then
      for _, entry in ipairs(entries) do
        if entry.raw then
          put(records, (take(file, entry.offset, entry.raw, records)))
        elseif file[entry.ended] then
          join.flush(file, file[entry.ended], records)
        end
      end
      for _, stream in ipairs({ "stdout", "stderr" }) do
        if file[stream] then
          join.flush(file, file[stream], records)
        end
      end
      left[base] = nil
    end
  end
end

local function each_held(line)
  for slot, file in pairs(open_slots) do
    for i = 1, #slot.raws, 2 do
      line(file.path, slot.raws[i], slot.raws[i + 1])
    end
  end
end

-- Once a second: what is due; gives back a list of documents, or nil.
--
-- The journal first: what goes out now is on disk only when Fluent Bit has taken it, which is so at the next tick.
function join.tick()
  now = clock.ticks
  local nothing_left = next(left) == nil
  held.tick(next(open_slots) == nil and nothing_left, nothing_left and each_held or nil)
  local due = {}
  flush_due(due)
  flush_left(due)
  return #due > 0 and due or nil
end

return join
