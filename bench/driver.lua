-- What wrk sends. Arguments: the file of requests, that of buyers and their tokens, a word that makes the keys of
-- this run its own, how often each request is sent with one key, and whether orders are paid.
--
-- A line of the file of requests: method, path, further headers parted by |, body; parted by tabs.

local requests, tokens, token_of, pay_next = {}, {}, {}, {}
local sent, word, copies, paying = 0, "", 1, false
statuses = {}

local threads = {}

function setup(thread)
   threads[#threads + 1] = thread
end

function init(args)
   for line in io.lines(args[1]) do
      local method, path, headers, body = line:match("^(%S+)\t(%S+)\t([^\t]*)\t(.*)$")
      local extra = headers == "" and "" or headers:gsub("|", "\r\n") .. "\r\n"
      requests[#requests + 1] = {
         method .. " " .. path .. " HTTP/1.1\r\nHost: bench\r\n" .. extra,
         "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body,
      }
   end
   for line in io.lines(args[2]) do
      local buyer, token = line:match("^(%S+) (%S+)$")
      tokens[#tokens + 1] = "Authorization: Bearer " .. token .. "\r\n"
      token_of[buyer] = tokens[#tokens]
   end
   word, copies, paying = args[3], tonumber(args[4]), args[5] == "pay"
end

local function written(head, tail, turn)
   return head .. tokens[turn % #tokens + 1] .. "Idempotency-Key: " .. word .. turn .. "\r\n" .. tail
end

function request()
   if #pay_next > 0 then
      return table.remove(pay_next)
   end
   local turn = math.floor(sent / copies)
   sent = sent + 1
   local found = requests[turn % #requests + 1]
   return written(found[1], found[2], turn)
end

local function pay(path, headers, body)
   pay_next[#pay_next + 1] = "POST " .. path .. " HTTP/1.1\r\nHost: bench\r\n" .. headers
      .. "Content-Type: application/json\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
end

-- An order that was answered is paid: an attempt is opened, then the sandbox takes the money. Both
-- are sent by whichever connection is free next, as the buyer of that order.
local function follow(body)
   local path, buyer = body:match('"pay":%s*"([^"]+)"'), body:match('"customer_id":%s*"([^"]+)"')
   if path and buyer then
      pay(path, token_of[buyer] .. "Idempotency-Key: pay\r\n", '{"provider":"sandbox"}')
   elseif body:match('"pay_url"') then
      pay("/v1/sandbox/payments/" .. body:match('"id":%s*"([^"]+)"') .. "/succeed", "", "{}")
   end
end

function response(status, headers, body)
   local name = tostring(status)
   statuses[name] = (statuses[name] or 0) + 1
   if paying and status == 201 then
      follow(body)
   end
end

function done(summary, latency, _)
   local counts = {}
   for _, thread in ipairs(threads) do
      for status, count in pairs(thread:get("statuses")) do
         counts[#counts + 1] = string.format('"%s":%d', status, count)
      end
   end
   local failed = summary.errors
   io.write(string.format(
      'result {"seconds":%f,"p50_ms":%f,"p99_ms":%f,"most_ms":%f,"broken":%d,"statuses":{%s}}\n',
      summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      latency.max / 1e3, failed.connect + failed.read + failed.write + failed.timeout,
      table.concat(counts, ",")))
end
