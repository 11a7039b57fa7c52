# SPDX-License-Identifier: Apache-2.0
# Readers of one database beside a writer, each a process of its own, with a journal and with a write-ahead log.
cd "$(mktemp -d)" || exit 1
for mode in delete wal; do
	db=$mode.db
	sqlite3 $db "pragma journal_mode=$mode; create table t(id integer primary key, k text, v real); create index tk on t(k);"
	sqlite3 $db "with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000)
		insert into t select i, 'key' || (i % 97), i * 0.5 from n;"
	(
		for i in $(seq 1 20); do
			sqlite3 -cmd '.timeout 30000' $db "begin immediate;
				update t set v = v + 1 where k = 'key5'; update t set v = v - 1 where k = 'key6'; commit;"
		done
	) &
	for reader in 1 2 3; do
		(
			# key5 and key6 change together: a reader sees both or none.
			for i in $(seq 1 10); do
				sqlite3 -cmd '.timeout 30000' $db "select (select sum(v) from t where k = 'key5') / 52 - 25 * 97 / 52.0 is not null,
					(select count(*) from t where k in ('key5', 'key6'));"
			done | sort | uniq -c
		) >reader$reader &
	done
	wait
	cat reader1 reader2 reader3
	sqlite3 $db "pragma integrity_check; select k, count(*), sum(v) from t where k like 'key1%' group by k order by k limit 4;
		select sum(v) from t where k in ('key5', 'key6'); pragma wal_checkpoint;"
	ls $db*
done
sqlite3 :memory: "select json_extract('{\"a\":[1,2,{\"b\":3}]}', '\$.a[2].b'), printf('%.3f', sqrt(2)), hex(zeroblob(4)),
	date('2024-02-29', '+1 year'), upper('abc'), 9223372036854775807, 1e308 * 10;"
sqlite3 csv.db <<'END'
create virtual table words using fts5(body);
insert into words values ('the quick brown fox'), ('jumped over'), ('the lazy dog');
select rowid from words where words match 'the' order by rowid;
.mode csv
.headers on
select 1 as a, 'x,y' as b;
.dump words_config
select * from nothing;
END
echo "exit $?"
