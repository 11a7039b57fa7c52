-- SPDX-License-Identifier: Apache-2.0
print(_VERSION, #arg, arg[1])

-- strings
print(("%-8s|%5.2f|%q|%x"):format("left", 3.14159, "a\nb", 48879))
print(("one two three"):gsub("%w+", string.upper), ("key = value"):match("^(%w+)%s*=%s*(%w+)$"))
print(#("x"):rep(1000000), ("grüße"):byte(3), utf8.len("grüße"))

-- tables
local words = {}
for word in ("the quick brown fox jumps over the lazy dog"):gmatch("%a+") do
  words[#words + 1] = word
end
table.sort(words, function(a, b) return #a < #b or (#a == #b and a < b) end)
print(table.concat(words, " "), select("#", table.unpack(words)))

-- closures
local function counter()
  local n = 0
  return function() n = n + 1; return n end
end
local a, b = counter(), counter()
print(a(), a(), b())

-- coroutines
local function permutations(list, n)
  if n == 0 then
    coroutine.yield(list)
  else
    for i = 1, n do
      list[i], list[n] = list[n], list[i]
      permutations(list, n - 1)
      list[i], list[n] = list[n], list[i]
    end
  end
end
for p in coroutine.wrap(function() permutations({ "a", "b", "c" }, 3) end) do
  io.write(table.concat(p), " ")
end
print()

-- memory that is collected
local garbage = 0
for i = 1, 200000 do
  local t = { i, tostring(i) }
  garbage = garbage + #t[2]
end
collectgarbage()
print(garbage, collectgarbage("count") < 20000)

-- time
print(os.time({ year = 2023, month = 11, day = 14, hour = 22 }) , os.time() > 1700000000, os.clock() >= 0)
print(os.date("!%Y-%m-%d %H:%M:%S", 1700000000), os.getenv("GREETING"), os.getenv("NOTHING"))

-- files
local name = os.tmpname()
local file <close> = assert(io.open(name, "w+"))
file:write("first\n", 2, "\n", 3.5, "\n")
file:seek("set")
print(file:read("l", "n", "n"))
print(file:seek("end"), os.remove(name), io.open("/does/not/exist"))

-- errors
print(pcall(error, { code = 7 }) , select(2, pcall(error, "plain", 0)))
print(pcall(function() local x = nil; return x.field end))
print(select("#", xpcall(function() error("deep") end, debug.traceback)))

-- standard input
for line in io.lines() do
  io.stderr:write("<", line, ">\n")
end
if arg[1] == "fail" then
  error("as it was told")
end
os.exit(3)
