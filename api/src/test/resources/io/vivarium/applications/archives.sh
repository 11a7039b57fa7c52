# SPDX-License-Identifier: Apache-2.0
# tar through each compressor and back, and the compressors alone.
cd "$(mktemp -d)" || exit 1
export TZ=UTC
mkdir -p in/deep/er in/empty
seq 1 30000 >in/numbers; head -c 100000 /dev/zero >in/zeros; printf 'x' >in/deep/er/x
head -c 300000 /usr/bin/tar >in/binary
ln -s deep/er/x in/link; ln in/numbers in/hard; chmod 600 in/zeros; chmod 755 in/numbers
find in -exec touch -h -d '2020-01-02 03:04:05' {} +
tar --sort=name --owner=0 --group=0 --numeric-owner -cf plain.tar in
md5sum <plain.tar
tar --numeric-owner --full-time -tvf plain.tar
for tool in gzip bzip2 xz zstd; do
	option=; [ $tool = gzip ] && option=-n
	$tool $option -c plain.tar >plain.tar.$tool 2>&1 || echo "$tool fails: $?"
	$tool -dc plain.tar.$tool | md5sum
	mkdir out-$tool; $tool -dc plain.tar.$tool | tar -xf - -C out-$tool; diff -r in out-$tool/in && echo "$tool: the same"
	$tool -t plain.tar.$tool && echo "$tool: sound"
	head -c 1000 plain.tar.$tool | $tool -dc >/dev/null 2>&1; echo "cut short: $(($? != 0))"
done
tar -I 'xz -T1 -1' -cf all.tar.xz in; tar -xOf all.tar.xz in/deep/er/x; echo
tar -czf - in | tar -tzf - | sort | md5sum
zstd -q -T2 -19 in/numbers -o n19.zst; zstd -q -dc n19.zst | cmp - in/numbers && echo "zstd threads"
xz -T2 --block-size=50000 -c in/numbers | xz -dc | cmp - in/numbers && echo "xz threads"
gzip -l plain.tar.gzip; stat -c '%y %a' out-xz/in/zeros; readlink out-zstd/in/link; stat -c %h out-gzip/in/hard
tar -xf plain.tar -C / nothing 2>&1; echo "exit $?"
cpio --version >/dev/null 2>&1; split -b 100k plain.tar piece.; cat piece.* | cmp - plain.tar && echo "pieces"
