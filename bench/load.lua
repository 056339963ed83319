-- Sends one request repeatedly. Prints the figures as one line of JSON.
function init (args)
  local file = assert(io.open(args[1], 'r'))
  wrk.method = 'POST'
  wrk.body = file:read('*a')
  file:close()
  for i = 2, #args, 2 do wrk.headers[args[i]] = args[i + 1] end
  request_text = wrk.format()
end

count = 0

function request ()
  if not request_text:find('[<id>]', 1, true) then return request_text end
  count = count + 1
  -- Each id has the same length, because the Content-Length is fixed.
  return (request_text:gsub('%[<id>%]', string.format('%06d', count % 1000000)))
end

function done (summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"us":%d,"bytes":%d,"p50":%.3f,"p99":%.3f,"max":%.3f,"bad":%d,"lost":%d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    latency.max / 1000, errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
