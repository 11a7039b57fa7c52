<?php
// SPDX-License-Identifier: Apache-2.0
// What PHP asks of a system.
$dir = sys_get_temp_dir() . '/' . uniqid('php'); mkdir($dir);
file_put_contents("$dir/f", implode("\n", range(1, 1000))); file_put_contents("$dir/f", "\nlast", FILE_APPEND | LOCK_EX);
echo filesize("$dir/f"), ' ', count(file("$dir/f")), ' ', hash_file('sha256', "$dir/f"), ' ', decoct(fileperms("$dir/f")), "\n";
symlink('f', "$dir/link"); rename("$dir/f", "$dir/g"); mkdir("$dir/a/b", 0755, true); $names = scandir($dir); print_r($names); echo @file_get_contents('/nowhere') === false ? error_get_last()['message'] : '', "\n";
echo json_encode(json_decode('{"b":[1,2.5,null],"a":"\u00fc"}', true), JSON_UNESCAPED_UNICODE), ' ', md5('x'), ' ', crc32('x'), ' ', bin2hex(pack('Nn', 1, 2)), ' ', strlen(gzcompress(str_repeat('x', 100000))), ' ', gzuncompress(gzcompress('packed')), "\n";
echo preg_replace('/(\w+) (\w+)/', '$2 $1', 'hello world'), ' ', ucwords('a b'), ' ', number_format(1234567.891, 2), ' ', gmdate('c', 0), ' ', intdiv(7, 2), ' ', 0.1 + 0.2, ' ', PHP_INT_MAX + 1, "\n";
function numbers() { foreach (range(1, 5) as $n) { $got = yield $n => $n ** 2; } return 'done'; } $g = numbers(); foreach ($g as $k => $v) echo "$k:$v "; echo $g->getReturn(), "\n";
enum Suit: string { case Hearts = 'H'; case Spades = 'S'; } echo Suit::from('S')->name, ' ', match (true) { 1 > 2 => 'no', default => 'yes' }, "\n"; $fiber = new Fiber(function ($x) { $y = Fiber::suspend($x + 1); return $y * 2; }); echo $fiber->start(1), ' '; $fiber->resume(10); echo $fiber->getReturn(), "\n";
echo shell_exec('echo shell | tr a-z A-Z'); exec('printf "a\nb\n"; exit 3', $lines, $status); echo implode(',', $lines), " $status\n";
$p = proc_open(['sort'], [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes); fwrite($pipes[0], "b\na\n"); fclose($pipes[0]); echo stream_get_contents($pipes[1]); echo proc_close($p), "\n";
if (function_exists('pcntl_fork')) { $pid = pcntl_fork(); if ($pid === 0) { exit(5); } pcntl_waitpid($pid, $s); echo 'child ', pcntl_wexitstatus($s), "\n"; pcntl_async_signals(true); pcntl_signal(SIGUSR1, function () { echo "USR1\n"; }); posix_kill(posix_getpid(), SIGUSR1); pcntl_signal(SIGALRM, function () { echo "ALRM\n"; }); pcntl_alarm(1); while (sleep(60) === 0); }
$server = stream_socket_server('tcp://127.0.0.1:0'); $client = stream_socket_client('tcp://' . stream_socket_get_name($server, false)); $peer = stream_socket_accept($server); fwrite($client, "tcp\n"); echo fgets($peer); stream_set_timeout($peer, 0, 1000); echo var_export(fgets($peer), true), ' ', stream_get_meta_data($peer)['timed_out'] ? 'timed out' : '', "\n";
[$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0); fwrite($a, 'pair'); $r = [$b]; $w = $e = null; echo stream_select($r, $w, $e, 5), ' ', fread($b, 10), "\n"; echo @stream_socket_client('tcp://127.0.0.1:1', $no, $message) === false ? "$no $message" : '', "\n";
$o = []; for ($i = 0; $i < 300000; $i++) { $o[] = (string) $i; } echo count($o), ' ', gc_collect_cycles(), ' ', strlen(random_bytes(8)), ' ', password_verify('x', password_hash('x', PASSWORD_BCRYPT, ['cost' => 4])) ? 'verified' : '', "\n";
function fib($n) { return $n < 2 ? $n : fib($n - 1) + fib($n - 2); } echo fib(22), ' ', PHP_OS_FAMILY, ' ', php_sapi_name(), ' ', usleep(1000) ?? '', hrtime(true) > 0, "\n";
try { throw new DomainException('thrown', 3); } catch (Exception $e) { echo get_class($e), $e->getCode(), "\n"; } finally { echo "finally\n"; }
array_map('unlink', glob("$dir/[gl]*")); rmdir("$dir/a/b"); rmdir("$dir/a"); echo rmdir($dir) ? "gone\n" : "left\n"; register_shutdown_function(function () { echo "shutdown\n"; }); fwrite(STDERR, "to stderr\n"); exit(15);
