-- SPDX-License-Identifier: Apache-2.0
-- What Lua's libraries ask of a system.
local name = os.tmpname()
local f = assert(io.open(name, 'w')); for i = 1, 1000 do f:write(i, '\n') end f:close()
local sum, lines = 0, 0
for line in io.lines(name) do sum, lines = sum + tonumber(line), lines + 1 end
f = assert(io.open(name, 'r+b')); f:seek('set', 10); print(sum, lines, f:read(5, 'n', 'l')); print(f:seek('end')); f:setvbuf('full', 1024); f:close()
print(os.rename(name, name .. '.moved'), os.remove(name .. '.moved'), select(2, os.remove('/nowhere')), select(3, io.open('/nowhere')))
local p = io.popen('sort -r', 'w'); p:write('a\nb\n'); print(p:close())
p = io.popen('echo from popen; exit 3'); print(p:read('a'), p:close())
print(os.execute('exit 5')); print(os.execute('kill -9 $$')); print(os.execute())
print(os.date('!%F %T', 86400), os.time({ year = 2000, month = 1, day = 1, hour = 12 }) > 0, os.getenv('PATH') ~= nil, os.clock() >= 0)
local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end); print(co(1), co(10))
print(string.format('%5.2f %q %x', math.pi, 'a\nb', 255), ('x'):rep(3, ','), ('hello world'):gsub('o', '0'), #string.pack('i4z', 1, 'ab'), utf8.len('äöü'))
local t = setmetatable({}, { __gc = function() print('collected') end, __index = function(_, k) return k .. '!' end }); print(t.key); t = nil; collectgarbage()
local big = {}; for i = 1, 200000 do big[i] = { i } end big = nil; collectgarbage(); print(collectgarbage('count') < 10000, 7 // 2, 7 % -3, 1 << 62, 2^53)
print(select(2, pcall(error, { code = 1 })).code); print(select('#', table.unpack({ 1, nil, 3 }, 1, 3)), load('return 1 + 1')(), pcall(string.rep, 'x', 1 << 60))
local function deep(n) return 1 + deep(n + 1) end; print(pcall(deep, 0) == false, math.type(3), math.tointeger(3.0))
io.stderr:write('to stderr\n'); os.exit(16, true)
