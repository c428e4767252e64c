// ISA-L on the same shapes as bench/codec.bench.ts: data bytes per second of encoding, best of several rounds, one
// core. Arguments: bytes per shard, then k and m of each geometry. Prints one line `k m GB/s` each.
#include <isa-l/erasure_code.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SHARDS_MAX 32
#define ROUNDS 60
#define ROUND_SECONDS 0.005

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static double measure(int k, int m, int length) {
  unsigned char *shards[SHARDS_MAX];
  unsigned char matrix[SHARDS_MAX * SHARDS_MAX];
  unsigned char tables[SHARDS_MAX * SHARDS_MAX * 32];
  for (int i = 0; i < k + m; i++) {
    shards[i] = aligned_alloc(64, length);
    if (shards[i] == NULL) exit(1);
    for (int j = 0; j < length; j++) shards[i][j] = rand();
  }
  gf_gen_cauchy1_matrix(matrix, k + m, k);
  ec_init_tables(k, m, matrix + k * k, tables);
  double best = 0;
  for (int round = 0; round < ROUNDS; round++) {
    long calls = 0;
    double start = now(), end;
    do {
      for (int i = 0; i < 4; i++) ec_encode_data(length, k, m, tables, shards, shards + k);
      calls += 4;
      end = now();
    } while (end - start < ROUND_SECONDS);
    double rate = (double)calls * k * length / (end - start) / 1e9;
    if (rate > best) best = rate;
  }
  for (int i = 0; i < k + m; i++) free(shards[i]);
  return best;
}

int main(int count, char **arguments) {
  if (count < 2) return 2;
  int length = atoi(arguments[1]);
  for (int i = 2; i + 1 < count; i += 2) {
    int k = atoi(arguments[i]), m = atoi(arguments[i + 1]);
    if (k < 1 || m < 1 || k + m > SHARDS_MAX) return 2;
    printf("%d %d %.3f\n", k, m, measure(k, m, length));
  }
  return 0;
}
