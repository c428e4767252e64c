-- What wrk sends: one pre-signed URL after another from the file URLS, with the bytes of the file BODY. One thread only.
-- LIST=1 counts the keys in the answers. Prints one line of JSON at the end.
local urls, count = {}, 0
for line in io.lines(os.getenv('URLS')) do
  count = count + 1
  urls[count] = line
end
local method = os.getenv('METHOD')
local body = nil
if os.getenv('BODY') then
  local file = io.open(os.getenv('BODY'), 'rb')
  body = file:read('*a')
  file:close()
end

local threads = {}
function setup(thread)
  threads[#threads + 1] = thread
end

-- wrk asks once for a request that it only looks at and never sends.
local index = -1
request = function()
  index = index + 1
  return wrk.format(method, urls[(index - 1) % count + 1], nil, body)
end

listed = 0
if os.getenv('LIST') then
  response = function(status, headers, text)
    local _, found = text:gsub('<Key>', '')
    listed = listed + found
  end
end

done = function(summary, latency, requests)
  local keys = 0
  for _, thread in ipairs(threads) do
    keys = keys + (thread:get('listed') or 0)
  end
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%f,"p50Ms":%f,"p95Ms":%f,"p99Ms":%f,"refused":%d,"errors":%d,"keys":%d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout, keys))
end
