# SPDX-License-Identifier: Apache-2.0
# Every module of the package compiles, and what was written is what is imported.
cd "$(mktemp -d)" || exit 1
cp -r /usr/lib/python3.*/json /usr/lib/python3.*/asyncio /usr/lib/python3.*/email .
find . -name __pycache__ -prune -exec rm -r {} +
find . -name '*.py' -exec touch -d '2020-01-01' {} +
python3 -m compileall -j 2 . | sort
python3 -m compileall -q json; echo "exit $?"
find . -name '*.pyc' | sort | xargs md5sum | md5sum
echo 'def broken(:' >bad.py; python3 -m compileall -q bad.py; echo "exit $?"
python3 -c 'import json; print(json.__file__.endswith("/json/__init__.py"), json.__cached__.rsplit("/", 1)[1][:8])'
python3 -X importtime -c 'import json' 2>&1 | grep -c json
