-- Counters that the sidecar reads: a file of lines `name <tab> key <tab> value`, replaced at most once a second.

local settings = ...

local counters = { changed = false }

local FILE = settings.state .. "/counters.tsv"
local HEADER = string.format("# fluent-sidecar counters 1\t%d.%d", os.time(), math.random(1e9))
local MOST_FAILURES_LOGGED = 20

local totals, of_containers, failures = {}, {}, 0

function counters.add(name)
  totals[name] = (totals[name] or 0) + 1
  counters.changed = true
end

-- `container` is "namespace/pod/container".
function counters.add_for(name, container)
  local values = of_containers[name]
  if not values then
    values = {}
    of_containers[name] = values
  end
  values[container] = (values[container] or 0) + 1
  counters.changed = true
end

-- An error of the filter itself: its lines are passed on as they are.
function counters.failed(message)
  counters.add("failed")
  failures = failures + 1
  if failures <= MOST_FAILURES_LOGGED then
    io.stderr:write("[fluent-sidecar] filter failed: ", tostring(message), "\n")
  end
end

local function write(done)
  local text = { HEADER }
  for name, value in pairs(totals) do
    text[#text + 1] = string.format("%s\t-\t%d", name, value)
  end
  for name, values in pairs(of_containers) do
    for container, value in pairs(values) do
      text[#text + 1] = string.format("%s\t%s\t%d", name, container, value)
    end
  end
  for path, bytes in pairs(done) do
    text[#text + 1] = string.format("done\t%s\t%d", path, bytes)
  end
  local file = io.open(FILE .. ".tmp", "w")
  if not file then
    return
  end
  local written = file:write(table.concat(text, "\n"), "\n")
  if file:close() and written and os.rename(FILE .. ".tmp", FILE) then
    counters.changed = false
  end
end

-- `files.done` are the files of the backfill that were read to their ends: path -> bytes.
function counters.tick(files)
  if counters.changed then
    write(files.done)
  end
end

return counters
