// How a bench tells the server that it starts which of its disks is to be slow.
export const SLOW_DISK_ROOT = 'BENCH_SLOW_DISK_ROOT'
export const SLOW_DISK_FACTOR = 'BENCH_SLOW_DISK_FACTOR'
