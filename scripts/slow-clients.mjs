// `node scripts/slow-clients.mjs`: the suite on overload in full size. 200 uploads that declare 1 GiB send 100 MiB each in
// turns, beside 200 that trickle and 200 readers that stop: 20 GiB in all, and room for 30 GiB on the disk of the temporary
// directory.
process.env.MORAINE_FULL_SIZE = '1'
process.argv.push('e2e/overload')
await import('../dist/test/run.js')
