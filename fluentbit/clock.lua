-- Times: of lines, as the container runtime writes them (RFC 3339 with up to nine digits), and the seconds that tick.

local clock = { ticks = 0, today = "", latest = "" }

local DAY = 86400

-- Days since 1970-01-01 of a date in the Gregorian calendar.
local function days(year, month, day)
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  local era = math.floor(year / 400)
  local of_era = year - era * 400
  local of_year = math.floor((153 * (month - 3) + 2) / 5) + day - 1
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year - 719468
end

-- Seconds since 1970 in UTC, with fractions to some 0.2 microseconds; nil where `time` is none.
function clock.seconds(time)
  local year, month, day, hour, minute, rest, zone =
    time:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d%.?%d*)(.*)$")
  if not year then
    return nil
  end
  local offset = 0
  if zone ~= "Z" then
    local sign, hours, minutes = zone:match("^([+-])(%d%d):(%d%d)$")
    if not sign then
      return nil
    end
    offset = (tonumber(hours) * 3600 + tonumber(minutes) * 60) * (sign == "-" and -1 or 1)
  end
  return days(tonumber(year), tonumber(month), tonumber(day)) * DAY
    + tonumber(hour) * 3600
    + tonumber(minute) * 60
    + tonumber(rest)
    - offset
end

local second, is_second = "", false

-- Whether `text` is a date and a time to the second, such as "2026-11-22T10:00:00"; the last one is remembered.
local function to_the_second(text)
  if text ~= second then
    local month, day, hour, minute, rest = text:match("^%d%d%d%d%-(%d%d)%-(%d%d)T(%d%d):(%d%d):(%d%d)$")
    second = text
    is_second = month ~= nil
      and month >= "01" and month <= "12" and day >= "01" and day <= "31"
      and hour <= "23" and minute <= "59" and rest <= "59"
  end
  return is_second
end

-- Whether `time` is one as a container runtime writes it. Ids are made of it, and names of indices.
function clock.is_time(time)
  local size = #time
  if size < 20 or size > 35 or not to_the_second(time:sub(1, 19)) then
    return false
  end
  if time:byte(size) ~= 90 then
    return time:find("^%.?%d*[+-]%d%d:%d%d$", 20) ~= nil
  end
  if size == 20 then
    return true
  end
  for i = 21, size - 1 do
    local c = time:byte(i)
    if c < 48 or c > 57 then
      return false
    end
  end
  return time:byte(20) == 46 and size > 21 and size <= 30
end

local last_minute, last_date

-- The date in UTC, such as "2026-11-22", of a time with another zone than Z; nil where `time` is none. Some runtimes
-- write all times so: a minute's date is found once.
function clock.utc_date(time)
  local minute = time:sub(1, 16) .. time:sub(-6)
  if minute ~= last_minute then
    -- Without the fraction, which might be rounded up to the next day.
    local seconds = clock.seconds((time:gsub("%.%d*", "")))
    last_minute, last_date = minute, seconds and os.date("!%Y-%m-%d", seconds)
  end
  return last_date
end

-- `days` from today, in UTC.
function clock.date(days_from_today)
  return os.date("!%Y-%m-%d", os.time() + days_from_today * DAY)
end

-- One second has passed in Fluent Bit's event loop: less than that on the wall where the process stood still.
function clock.tick()
  clock.ticks = clock.ticks + 1
end

return clock
