# SPDX-License-Identifier: Apache-2.0
# A repository's life: commits, branches, merges with and without conflict, a clone, packing.
cd "$(mktemp -d)" || exit 1
export HOME=$PWD TZ=UTC GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
at() { export GIT_AUTHOR_DATE="$1 +0000" GIT_COMMITTER_DATE="$1 +0000"; }
git init -q -b main repository && cd repository || exit 1
at 1700000000; seq 1 200 >numbers; mkdir -p src; echo 'int main;' >src/main.c; git add .; git commit -q -m 'First'; git log --stat
at 1700000100; sed -i 's/^100$/a hundred/' numbers; git diff --stat; git commit -qam 'Say a hundred'; git show --format='%H %an %ad %s'
git checkout -q -b topic; at 1700000200; echo topic >>src/main.c; git commit -qam 'Topic'
git checkout -q main; at 1700000300; echo 201 >>numbers; git commit -qam 'More'; at 1700000400
git merge -q --no-edit topic; git log --graph --oneline --all
git checkout -q -b conflict HEAD~1; at 1700000500; echo other >>src/main.c; git commit -qam 'Conflict'; git merge main 2>&1; git status --short
git checkout -q --theirs src/main.c; git add -A; at 1700000600; git commit -q -m 'Resolved'; git log -1 --format=%T
git stash list; echo dirty >>numbers; git stash -q; git stash show -p | tail -n 3; git stash pop -q; git status --porcelain; git checkout -q .
git tag -a -m 'One' v1; git describe; git rev-parse v1^{commit}; git blame -s numbers | sed -n '99,101p'
git gc -q --aggressive --prune=now; git count-objects -v | grep -v size; git fsck --full 2>&1
git clone -q . ../clone 2>&1; git -C ../clone log -1 --format='%h %s'; git -C ../clone rev-list --all --count
git bundle create -q ../all.bundle --all 2>&1; git bundle verify -q ../all.bundle >/dev/null 2>&1; echo "bundle $?"
git archive --format=tar HEAD | tar -tf -; git grep -n hundred; git ls-tree -r HEAD
git rebase -q main~1 topic 2>&1; git log --oneline -3; git bisect start -q HEAD HEAD~1 2>&1 | head -n 1; git bisect reset -q 2>&1
git cat-file -p HEAD; git worktree add -q ../tree main 2>&1; git worktree list | wc -l
git checkout nothing 2>&1; echo "exit $?"
