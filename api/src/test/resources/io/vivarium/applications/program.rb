# SPDX-License-Identifier: Apache-2.0
# What Ruby asks of a system.
require 'digest'; require 'etc'; require 'fiber'; require 'fileutils'; require 'json'; require 'open3'; require 'pathname'; require 'securerandom'
require 'set'; require 'socket'; require 'stringio'; require 'tempfile'; require 'time'; require 'timeout'; require 'tmpdir'; require 'zlib'; require 'openssl'
$stdout.sync = true
Dir.mktmpdir do |dir|
  file = File.join(dir, 'file')
  File.write(file, (1..1000).map { |i| "line #{i}\n" }.join)
  puts File.size(file), File.foreach(file).count, Digest::SHA256.file(file).hexdigest, File.stat(file).mode.to_s(8)
  File.open(file, 'r+') { |f| f.flock(File::LOCK_EX); f.seek(5); puts f.read(3); f.truncate(10) }
  FileUtils.mkdir_p(File.join(dir, 'a/b')); File.symlink('file', File.join(dir, 'link')); FileUtils.cp_r(File.join(dir, 'a'), File.join(dir, 'c'))
  puts Dir.glob('**/*', base: dir).sort.inspect, Pathname(dir).join('link').readlink
  Tempfile.create { |t| t.puts 'x'; t.flush; puts File.read(t.path) }
  UNIXServer.open(File.join(dir, 's')) { |s| t = Thread.new { UNIXSocket.open(File.join(dir, 's')) { |c| c.puts 'unix' } }; puts s.accept.gets; t.join }
end
puts JSON.generate(JSON.parse('{"b":[1,2.5,null],"a":"ü"}')), Zlib.inflate(Zlib.deflate('x' * 10000)).size, OpenSSL::Digest.hexdigest('SHA1', 'x'), 2**200, Rational(1, 3) + 1, Time.at(0).utc.iso8601
puts %w[pear fig apple].sort_by(&:size).inspect, 'hello world'.gsub(/o(?<r>.)/, '<\k<r>>'), 'äß'.upcase, [3, 1, 2].lazy.map { _1 * 2 }.first(2).inspect, format('%05.2f|%-5s|%x', 3.14159, 'a', 255)

queue, results = Queue.new, []
threads = 4.times.map { Thread.new { while (n = queue.pop) != :done; Thread.pass; results << n * n; end } }
20.times { queue << _1 }; 4.times { queue << :done }; threads.each(&:join); puts results.sort.inspect
mutex, condition, ready = Mutex.new, ConditionVariable.new, false
waiter = Thread.new { mutex.synchronize { condition.wait(mutex) until ready; :woken } }; mutex.synchronize { ready = true; condition.signal }; puts waiter.value
begin; Timeout.timeout(0.05) { sleep 60 }; rescue Timeout::Error => e; puts e.message; end
fiber = Fiber.new { |x| y = Fiber.yield(x + 1); y * 2 }; puts fiber.resume(1), fiber.resume(10)
ractor = Ractor.new(20) { |n| n + 1 }; puts ractor.take

puts `echo backticks`, $?.exitstatus, system('exit 3'), $?.exitstatus, Open3.capture3('cat; echo err >&2; exit 2', stdin_data: 'fed').map(&:to_s).map { _1.sub(/pid \d+ /, '') }.inspect
pid = fork { exit! 7 }; Process.wait(pid); puts $?.exitstatus
reader, writer = IO.pipe; pid = fork { reader.close; writer.puts 'from the child'; exit! }; writer.close; puts reader.read; Process.wait pid
pid = spawn('sleep 60'); Process.kill(:TERM, pid); Process.wait(pid); puts $?.termsig
begin; spawn('/nowhere'); rescue Errno::ENOENT => e; puts e.message; end
trap(:USR1) { puts 'USR1' }; Process.kill(:USR1, Process.pid); sleep 0.01
server = TCPServer.new('127.0.0.1', 0); client = Thread.new { s = TCPSocket.new('127.0.0.1', server.addr[1]); s.puts 'tcp'; s.close_write; r = s.read; s.close; r }
s = server.accept; s.print s.gets.upcase; s.close; puts client.value, IO.select([server], nil, nil, 0.01).inspect
begin; TCPSocket.new('127.0.0.1', 1); rescue SystemCallError => e; puts e.class; end
GC.start; objects = 200_000.times.map { |i| i.to_s }; objects = nil; GC.start; GC.compact if GC.respond_to?(:compact); puts GC.count > 1, Etc.getpwuid(0).name, SecureRandom.hex(4).size
def deep(n) = deep(n + 1); begin; deep(0); rescue SystemStackError => e; puts e.class; end
puts RUBY_ENGINE, Process.clock_gettime(Process::CLOCK_MONOTONIC) > 0, ObjectSpace.each_object(Class).count > 100, (RubyVM::InstructionSequence.compile('1+1').eval)
at_exit { puts 'at exit' }; warn 'to stderr'; exit 14
