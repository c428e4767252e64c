export SHOW=1
node dist/test/run.js sim/slow 2>&1 | grep -v "^ *at" | grep -v "^$" | head -${1:-60}
