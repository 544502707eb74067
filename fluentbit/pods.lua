-- What is known of the node's pods: a table that the sidecar writes, and replaces by rename.
--
-- It is read again when it has changed, looked at once a second, and when a line comes of a pod that isn't in it.

local settings, controlplane = ...

local pods = {}

local rows, node, read_at, now = {}, nil, -1, 0
local header_read, versions = nil, 0

local function list(text)
  if text == "-" or text == nil then
    return nil
  end
  local names = {}
  for name in text:gmatch("[^,]+") do
    names[#names + 1] = name
  end
  return names
end

local function row(line)
  local fields = {}
  for field in (line .. "\t"):gmatch("([^\t]*)\t") do
    fields[#fields + 1] = field
  end
  local labels
  for i = 8, #fields do
    local name, value = fields[i]:match("^([^=]+)=(.*)$")
    if name then
      labels = labels or {}
      labels[name] = value
    end
  end
  local workload
  if fields[4] and fields[4] ~= "-" then
    workload = { kind = fields[4], name = fields[5] }
  end
  local excluded = {}
  for _, name in ipairs(list(fields[6]) or {}) do
    excluded[name] = true
  end
  return fields[1], { labels = labels, workload = workload, excluded = excluded, multiline = list(fields[7]) }
end

local function read()
  read_at = now
  local file = io.open(settings.pods, "r")
  if not file then
    return
  end
  local header = file:read("*l") or ""
  local name = header:match("^# fluent%-sidecar pods 1\t[^\t]*\t(.*)$")
  if name and header ~= header_read then
    local fresh = {}
    for line in file:lines() do
      local key, value = row(line)
      if key then
        fresh[key] = value
      end
    end
    rows, node = fresh, name ~= "" and name or nil
    header_read = header
    versions = versions + 1
  end
  file:close()
end

local function has_all(labels, wanted)
  for name, value in pairs(wanted) do
    if not labels or labels[name] ~= value then
      return false
    end
  end
  return true
end

local function has_any(labels, unwanted)
  for name, value in pairs(unwanted) do
    if labels and labels[name] == value then
      return true
    end
  end
  return false
end

-- The control plane's, or the first route that claims the pod; settings.families[1] is what the others get.
local function family(namespace, labels, component)
  if component then
    return settings.families[controlplane.family]
  end
  for _, route in ipairs(settings.routes) do
    if namespace:find(route.namespace) and has_all(labels, route.labels) then
      return settings.families[route.family]
    end
  end
  return settings.families[1]
end

-- What the documents of a container have in common, and what is to be done with its lines.
local function describe(place)
  local known = rows[place.uid]
  local labels = known and known.labels
  local component = controlplane.component(place)
  local excluded = known
    and (
      known.excluded["*"]
      or known.excluded[place.container]
      or has_any(labels, settings.exclude_labels)
      -- Of a pod that isn't known nobody can say that it lacks a label: its lines go out.
      or not has_all(labels, settings.include_labels)
    )
  return {
    version = versions,
    known = known ~= nil or not settings.enrich,
    excluded = excluded,
    rules = known and known.multiline,
    family = family(place.namespace, labels, component),
    component = component,
    workload = known and known.workload,
    kubernetes = {
      namespace_name = place.namespace,
      pod_name = place.pod,
      pod_id = place.uid,
      container_name = place.container,
      restart_count = place.restart,
      host = node,
      labels = labels,
    },
  }
end

-- The description of a file's container, made again where the table has changed.
function pods.describe(place)
  if rows[place.uid] == nil and settings.enrich and read_at < now then
    read()
  end
  return describe(place)
end

-- Whether a description is still the newest one can be; an unknown pod is looked up at most once a second.
function pods.is_current(meta)
  return meta.version == versions and (meta.known or read_at == now)
end

-- The node's name, where the table says it.
function pods.node()
  return node
end

function pods.tick(ticks)
  now = ticks
  read()
end

read()
return pods
