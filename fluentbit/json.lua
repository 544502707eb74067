-- The fields of a JSON line, as a table for Fluent Bit.
--
-- What Lua and OpenSearch can't hold as it is: an integer beyond 2^53 and a number with an exponent stay the text that
-- they are, null and empty lists are left out, a key that comes twice counts once, and a string longer than Lucene
-- takes is cut. The line itself is in the document anyway, whole.

local byte, find, sub, match, char = string.byte, string.find, string.sub, string.match, string.char
local tonumber, floor, concat, huge = tonumber, math.floor, table.concat, math.huge

local MOST_LEVELS = 20
-- Lucene's limit for a term is 32,766 bytes, and the path to a field counts.
local MOST_BYTES = 30000
local MOST_FIELDS = 1000
local QUOTE, COMMA, COLON, MINUS, ZERO, NINE = 34, 44, 58, 45, 48, 57
local OPEN, CLOSE, OPEN_LIST, CLOSE_LIST = 123, 125, 91, 93
local LARGEST = 2 ^ 53
local CUT = "...[cut]"

local json = {}

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }

local function utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 64), 0x80 + code % 64)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

-- The character of the escape "\uXXXX" whose digits begin at `i`, and where it ends; nil where there are none. Half of a
-- surrogate pair is no character.
local function from_hex(text, i)
  local digits = match(text, "^%x%x%x%x", i)
  if not digits then
    return nil
  end
  local code = tonumber(digits, 16)
  if code < 0xD800 or code > 0xDFFF then
    return utf8(code), i + 4
  end
  local low = code < 0xDC00 and match(text, "^\\u([dD][c-fC-F]%x%x)", i + 4)
  if low then
    return utf8(0x10000 + (code - 0xD800) * 1024 + tonumber(low, 16) - 0xDC00), i + 10
  end
  return "\239\191\189", i + 4
end

-- A text without its escapes; those that JSON doesn't know stay. From left to right: what an escape stands for may look
-- like a part of another.
local function unescaped(text)
  local pieces, from = {}, 1
  local slash = find(text, "\\", 1, true)
  while slash do
    local letter = sub(text, slash + 1, slash + 1)
    local piece, after = ESCAPES[letter], slash + 2
    if letter == "u" then
      piece, after = from_hex(text, after)
    end
    if piece then
      pieces[#pieces + 1] = sub(text, from, slash - 1)
      pieces[#pieces + 1] = piece
      from = after
    end
    slash = find(text, "\\", after or slash + 2, true)
  end
  pieces[#pieces + 1] = sub(text, from)
  return concat(pieces)
end

local function space_end(text, i)
  local c = byte(text, i)
  while c == 32 or c == 9 or c == 10 or c == 13 do
    i = i + 1
    c = byte(text, i)
  end
  return i, c
end

-- The quote that ends the string whose first is at `i`; nil where it has no end.
local function closing(text, i)
  local last = find(text, '"', i + 1, true)
  while last do
    local slashes = 0
    while byte(text, last - 1 - slashes) == 92 do
      slashes = slashes + 1
    end
    if slashes % 2 == 0 then
      return last
    end
    last = find(text, '"', last + 1, true)
  end
end

-- Of a string whose quote is at `i`: its content and where it ends; nil where it has no end.
local function string_at(text, i, has_escapes)
  local last = find(text, '"', i + 1, true)
  if has_escapes and last and byte(text, last - 1) == 92 then
    last = closing(text, i)
  end
  if not last then
    return nil
  end
  if not has_escapes then
    return sub(text, i + 1, last - 1), last + 1
  end
  local content = sub(text, i + 1, last - 1)
  if find(content, "\\", 1, true) then
    content = unescaped(content)
  end
  return content, last + 1
end

-- Of at most `room` bytes, not within a character.
local function cut(text, room)
  while room > 0 and byte(text, room + 1) >= 0x80 and byte(text, room + 1) < 0xC0 do
    room = room - 1
  end
  return sub(text, 1, room)
end

-- Of a number, true, false or null at `i`: its value (nil for null) and where it ends; false where it is none of them.
-- `whole`: a number is one, whatever it loses.
local function word_at(text, i, c, whole)
  if c == MINUS or c >= ZERO and c <= NINE then
    local last = i + 1
    local d = byte(text, last)
    while d and (d >= ZERO and d <= NINE or d == 46 or d == 101 or d == 69 or d == 43 or d == MINUS) do
      last = last + 1
      d = byte(text, last)
    end
    local word = sub(text, i, last - 1)
    local value = tonumber(word)
    if not value then
      return false
    end
    local beyond = value > LARGEST or value < -LARGEST
      -- So much is made of the next integer too.
      or (value == LARGEST or value == -LARGEST) and sub(word, -16) ~= "9007199254740992"
    if not whole and (beyond or last - i > 17 or find(word, "[eE]")) then
      value = word
    end
    return value, last
  end
  local word = match(text, "^%l+", i)
  if word == "true" then
    return true, i + 4
  elseif word == "false" then
    return false, i + 5
  elseif word == "null" then
    return nil, i + 4
  end
  return false
end

-- The fields of a line that is a JSON object; nil where it is none. `whole`: however deep it is and however much is in
-- it, and a number is one, whatever it loses; else nil also where it is too much, and long texts are cut.
function json.object(text, whole)
  local has_escapes = find(text, "\\", 1, true) ~= nil
  local top = {}
  local here, is_list, depth = top, false, 1
  local most_levels, most_fields = whole and huge or MOST_LEVELS, whole and huge or MOST_FIELDS
  local parents, lists, rooms, room = {}, {}, {}, whole and huge or MOST_BYTES
  local fields = 0
  local i, c = space_end(text, 2)
  local empty = true
  while true do
    -- Only an empty one ends here; others end after a value.
    if not (empty and c == (is_list and CLOSE_LIST or CLOSE)) then
      fields = fields + 1
      if fields > most_fields then
        return nil
      end
      local key
      if is_list then
        key = #here + 1
      else
        if c ~= QUOTE then
          return nil
        end
        key, i = string_at(text, i, has_escapes)
        if not key then
          return nil
        end
        i, c = space_end(text, i)
        if c ~= COLON then
          return nil
        end
        i, c = space_end(text, i + 1)
      end
      if c == QUOTE then
        local value
        value, i = string_at(text, i, has_escapes)
        if not value then
          return nil
        end
        local left = is_list and room or room - #key - 1
        if left < 0 then
          return nil
        end
        if #value > left then
          value = cut(value, left)
        end
        here[key] = value
      elseif c == OPEN or c == OPEN_LIST then
        if depth == most_levels then
          return nil
        end
        parents[depth], lists[depth], rooms[depth] = here, is_list, room
        local inner = {}
        local next_i, next_c = space_end(text, i + 1)
        if not (c == OPEN_LIST and next_c == CLOSE_LIST) then
          here[key] = inner
        end
        if not is_list then
          room = room - #key - 1
          if room < 0 then
            return nil
          end
        end
        here, is_list, depth = inner, c == OPEN_LIST, depth + 1
        i, c, empty = next_i, next_c, true
        goto continue
      elseif c == nil then
        return nil
      else
        local value, last = word_at(text, i, c, whole)
        if not last or not is_list and #key > room then
          return nil
        end
        here[key] = value
        i = last
      end
      i, c = space_end(text, i)
    end
    while c == (is_list and CLOSE_LIST or CLOSE) do
      depth = depth - 1
      if depth == 0 then
        break
      end
      here, is_list, room = parents[depth], lists[depth], rooms[depth]
      i, c = space_end(text, i + 1)
    end
    if depth == 0 then
      break
    end
    if c ~= COMMA then
      return nil
    end
    i, c = space_end(text, i + 1)
    empty = false
    ::continue::
  end
  i = space_end(text, i + 1)
  return i > #text and top or nil
end

-- The last byte of the value at `i`; nil where its end is missing. What is within is not judged.
local function value_end(text, i)
  local c = byte(text, i)
  if c == QUOTE then
    return closing(text, i)
  elseif c ~= OPEN and c ~= OPEN_LIST then
    local _, last = find(text, "^[^%s,%]}]+", i)
    return last
  end
  local depth = 1
  while depth > 0 do
    i = i + 1
    c = byte(text, i)
    if c == QUOTE then
      i = closing(text, i)
    elseif c == OPEN or c == OPEN_LIST then
      depth = depth + 1
    elseif c == CLOSE or c == CLOSE_LIST then
      depth = depth - 1
    end
    if not c or not i then
      return nil
    end
  end
  return i
end

-- The members of the JSON object that a text begins with, as far as it goes: `each(name, from, to)` for every one that
-- is whole, with the bytes of its value. True if so is the text; nil where it is no object.
function json.members(text, each)
  local i, c = space_end(text, 1)
  if c ~= OPEN then
    return nil
  end
  i, c = space_end(text, i + 1)
  while c == QUOTE do
    local name, from, last
    name, i = string_at(text, i, true)
    if not name then
      return false
    end
    i, c = space_end(text, i)
    if c ~= COLON then
      return false
    end
    from = space_end(text, i + 1)
    last = value_end(text, from)
    if not last then
      return false
    end
    i, c = space_end(text, last + 1)
    -- What nothing follows may go on: of 403 there may be 40.
    if c ~= COMMA and c ~= CLOSE then
      return false
    end
    each(name, from, last)
    if c == COMMA then
      i, c = space_end(text, i + 1)
      if c ~= QUOTE then
        return false
      end
    end
  end
  return c == CLOSE and space_end(text, i + 1) > #text
end

-- What log frameworks call the severity.
function json.severity(object)
  return object.level
    or object.severity
    or object.lvl
    or object.levelname
    or object.log_level
    or object.loglevel
    or object.logLevel
    or object.Level
    or object.LogLevel
    or object["log.level"]
    or object["@l"]
    or object.severityText
    or object.severity_text
end

-- The text, or as much of it as fits `room` bytes.
function json.cut(text, room)
  return #text > room and cut(text, room) or text
end

-- The same, and a mark where it is cut.
function json.shortened(text, room)
  return #text > room and cut(text, room - #CUT) .. CUT or text
end

return json
