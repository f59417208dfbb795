-- The requests of one closed loop, and its figures as one line of JSON.
local keys, body = {}, os.getenv("BENCH_BODY")
for key in os.getenv("BENCH_KEYS"):gmatch("%S+") do keys[#keys + 1] = key end
local messages, turn = {}, 0

function init()
  for i, key in ipairs(keys) do
    local headers = {
      ["Host"] = wrk.headers["Host"],
      ["Content-Type"] = "application/json",
      ["Authorization"] = "Bearer " .. key,
    }
    messages[i] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  turn = turn % #messages + 1
  return messages[turn]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"refused":%d,"errors":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, e.status, e.connect + e.read + e.write + e.timeout + e.status,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
