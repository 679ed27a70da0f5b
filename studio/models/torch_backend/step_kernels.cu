// One step of the decoder for few rows, in eight kernels a layer.
//
// Compiled at load for one model and one number of rows, which come as macros:
//   FLOATS   1: numbers are float32; 0: bfloat16
//   DIM      model width, a multiple of VEC
//   FFN      inner width of the feed-forward layers, a multiple of VEC
//   HEADS    heads, DIM / HEADS wide; a head takes a power of two of lanes
//   ROWS     streams, TEXTED of them with a text
//
// A matrix is read once, by all blocks together, sixteen bytes at a time. A block makes OUTPUTS
// columns for all rows; its threads share out the inputs, and their sums meet at the end. Sums are
// float32 throughout; only what passes between kernels is rounded.

#define THREADS 128
#define WARPS (THREADS / 32)
#define OUTPUTS 4
#define KEYS_AT_ONCE 4
#define NOTHING -1e30f
#define WIDTH (DIM / HEADS)

#if FLOATS
typedef float number;
#define VEC 4
__device__ __forceinline__ float wide(number x) { return x; }
__device__ __forceinline__ number narrow(float x) { return x; }
__device__ __forceinline__ void unpack(uint4 raw, float *out) {
  out[0] = __uint_as_float(raw.x);
  out[1] = __uint_as_float(raw.y);
  out[2] = __uint_as_float(raw.z);
  out[3] = __uint_as_float(raw.w);
}
#else
typedef unsigned short number;
#define VEC 8
__device__ __forceinline__ float wide(number x) { return __uint_as_float((unsigned)x << 16); }
__device__ __forceinline__ number narrow(float x) {
  unsigned bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return (number)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
__device__ __forceinline__ void unpack(uint4 raw, float *out) {
  const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
#pragma unroll
  for (int i = 0; i < 4; i++) {
    out[2 * i] = __uint_as_float(words[i] << 16);
    out[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
  }
}
#endif

#define LANES (WIDTH / VEC)
#define GROUPS (THREADS / LANES)

__device__ __forceinline__ uint4 load(const number *from) { return *(const uint4 *)from; }

__device__ __forceinline__ uint4 zeros() {
  uint4 raw;
  raw.x = raw.y = raw.z = raw.w = 0u;
  return raw;
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xffffffffu, x, offset);
  return x;
}

// The sums over all threads of a block, in every thread.
template <int N> __device__ __forceinline__ void block_sums(float (&sums)[N], float *scratch) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < N; i++) {
    sums[i] = warp_sum(sums[i]);
    if (lane == 0) scratch[warp * N + i] = sums[i];
  }
  __syncthreads();
#pragma unroll
  for (int i = 0; i < N; i++) {
    sums[i] = 0.0f;
#pragma unroll
    for (int other = 0; other < WARPS; other++) sums[i] += scratch[other * N + i];
  }
  __syncthreads();
}

// The sum `sums[threadIdx.x]` over all threads, for the threads below N.
template <int N> __device__ __forceinline__ float own_sum(float (&sums)[N], float *scratch) {
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < N; i++) {
    const float sum = warp_sum(sums[i]);
    if (lane == 0) scratch[warp * N + i] = sum;
  }
  __syncthreads();
  float total = 0.0f;
  if (threadIdx.x < N) {
#pragma unroll
    for (int other = 0; other < WARPS; other++) total += scratch[other * N + threadIdx.x];
  }
  return total;
}

// y [R, outputs] = norm(x [R, DIM]) weight^T, through GELU where asked for.
template <int R, bool GELU>
__device__ __forceinline__ void norm_product(const number *x, const number *gain,
                                             const number *shift, const number *weight, number *y,
                                             int outputs) {
  constexpr int CHUNKS = (DIM + THREADS * VEC - 1) / (THREADS * VEC);
  constexpr int N = R * OUTPUTS;
  __shared__ float scratch[WARPS * N];
  const int first = blockIdx.x * OUTPUTS;
  // Weights are asked for first: they come from far away, and the norm waits for its sums.
  uint4 weights[OUTPUTS][CHUNKS];
  float rows[R][CHUNKS * VEC];
#pragma unroll
  for (int c = 0; c < CHUNKS; c++) {
    const int k = (c * THREADS + threadIdx.x) * VEC;
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
      const bool there = k < DIM && first + o < outputs;
      weights[o][c] = there ? load(weight + (size_t)(first + o) * DIM + k) : zeros();
    }
#pragma unroll
    for (int r = 0; r < R; r++)
      unpack(k < DIM ? load(x + (size_t)r * DIM + k) : zeros(), rows[r] + c * VEC);
  }
  float means[R], spreads[R];
#pragma unroll
  for (int r = 0; r < R; r++) {
    means[r] = 0.0f;
#pragma unroll
    for (int i = 0; i < CHUNKS * VEC; i++) means[r] += rows[r][i];
  }
  block_sums(means, scratch);
#pragma unroll
  for (int r = 0; r < R; r++) {
    means[r] /= DIM;
    spreads[r] = 0.0f;
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
      const bool there = (c * THREADS + threadIdx.x) * VEC < DIM;
#pragma unroll
      for (int i = 0; i < VEC; i++) {
        const float strays = rows[r][c * VEC + i] - means[r];
        if (there) spreads[r] += strays * strays;
      }
    }
  }
  block_sums(spreads, scratch);
#pragma unroll
  for (int r = 0; r < R; r++) spreads[r] = rsqrtf(spreads[r] / DIM + 1e-5f);
  float sums[N];
#pragma unroll
  for (int i = 0; i < N; i++) sums[i] = 0.0f;
#pragma unroll
  for (int c = 0; c < CHUNKS; c++) {
    const int k = (c * THREADS + threadIdx.x) * VEC;
    float gains[VEC], shifts[VEC];
    unpack(k < DIM ? load(gain + k) : zeros(), gains);
    unpack(k < DIM ? load(shift + k) : zeros(), shifts);
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
      float column[VEC];
      unpack(weights[o][c], column);
#pragma unroll
      for (int r = 0; r < R; r++) {
#pragma unroll
        for (int i = 0; i < VEC; i++) {
          const float normal = (rows[r][c * VEC + i] - means[r]) * spreads[r];
          sums[r * OUTPUTS + o] += (normal * gains[i] + shifts[i]) * column[i];
        }
      }
    }
  }
  float sum = own_sum(sums, scratch);
  const int o = first + threadIdx.x % OUTPUTS;
  if (threadIdx.x < N && o < outputs) {
    if (GELU) sum = 0.5f * sum * (1.0f + erff(sum * 0.70710678118654752f));
    y[(size_t)(threadIdx.x / OUTPUTS) * outputs + o] = narrow(sum);
  }
}

// x [R, DIM] += h [R, INPUT] weight^T.
template <int R, int INPUT>
__device__ __forceinline__ void product_plus(const number *h, const number *weight, number *x) {
  constexpr int CHUNKS = (INPUT + THREADS * VEC - 1) / (THREADS * VEC);
  constexpr int N = R * OUTPUTS;
  __shared__ float scratch[WARPS * N];
  const int first = blockIdx.x * OUTPUTS;
  float sums[N];
#pragma unroll
  for (int i = 0; i < N; i++) sums[i] = 0.0f;
#pragma unroll 4
  for (int c = 0; c < CHUNKS; c++) {
    const int k = (c * THREADS + threadIdx.x) * VEC;
    uint4 weights[OUTPUTS];
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
      const bool there = k < INPUT && first + o < DIM;
      weights[o] = there ? load(weight + (size_t)(first + o) * INPUT + k) : zeros();
    }
    float rows[R][VEC];
#pragma unroll
    for (int r = 0; r < R; r++)
      unpack(k < INPUT ? load(h + (size_t)r * INPUT + k) : zeros(), rows[r]);
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
      float column[VEC];
      unpack(weights[o], column);
#pragma unroll
      for (int r = 0; r < R; r++) {
#pragma unroll
        for (int i = 0; i < VEC; i++) sums[r * OUTPUTS + o] += rows[r][i] * column[i];
      }
    }
  }
  const float sum = own_sum(sums, scratch);
  const int o = first + threadIdx.x % OUTPUTS;
  if (threadIdx.x < N && o < DIM) {
    number *to = x + (size_t)(threadIdx.x / OUTPUTS) * DIM + o;
    *to = narrow(wide(*to) + sum);
  }
}

// One row's head, by block: mixed [R, HEADS, WIDTH] from `count` of the keys and values
// both [R, 2, HEADS, cells, WIDTH]. The grid's second axis shares the keys out; the block that is
// done last joins the shares. Where OWN, the last key and value are those of the step: they stand
// behind the query, and are remembered.
template <bool OWN>
__device__ __forceinline__ void attend(const number *query, number *both, const number *mask,
                                       number *mixed, float *shares, unsigned *arrived, int cells,
                                       int count) {
  __shared__ float bests[GROUPS], totals[GROUPS], sums[GROUPS][WIDTH];
  __shared__ bool is_last;
  const int row = blockIdx.x / HEADS, head = blockIdx.x % HEADS;
  const int group = threadIdx.x / LANES, begin = threadIdx.x % LANES * VEC;
  const size_t side = (size_t)HEADS * cells * WIDTH;
  number *keys = both + (size_t)row * 2 * side + (size_t)head * cells * WIDTH + begin;
  const number *own = query + (size_t)row * (OWN ? 3 * DIM : DIM) + head * WIDTH + begin;
  float looks[VEC], mixture[VEC];
  unpack(load(own), looks);
#pragma unroll
  for (int i = 0; i < VEC; i++) {
    looks[i] *= rsqrtf((float)WIDTH);
    mixture[i] = 0.0f;
  }
  float best = NOTHING, total = 0.0f;
  const int share = (count + gridDim.y - 1) / gridDim.y;
  const int start = blockIdx.y * share, stop = min(count, start + share);
  for (int base = start; base < start + share; base += GROUPS * KEYS_AT_ONCE) {
    uint4 key[KEYS_AT_ONCE], value[KEYS_AT_ONCE];
    float bias[KEYS_AT_ONCE];
#pragma unroll
    for (int u = 0; u < KEYS_AT_ONCE; u++) {
      const int j = base + u * GROUPS + group;
      key[u] = value[u] = zeros();
      bias[u] = 2 * NOTHING;
      if (j < stop) {
        number *from = keys + (size_t)j * WIDTH;
        if (OWN && j == count - 1) {
          key[u] = load(own + DIM);
          value[u] = load(own + 2 * DIM);
          *(uint4 *)from = key[u];
          *(uint4 *)(from + side) = value[u];
        } else {
          key[u] = load(from);
          value[u] = load(from + side);
        }
        bias[u] = wide(mask[(size_t)row * cells + j]);
      }
    }
#pragma unroll
    for (int u = 0; u < KEYS_AT_ONCE; u++) {
      float parts[VEC], score = 0.0f;
      unpack(key[u], parts);
#pragma unroll
      for (int i = 0; i < VEC; i++) score += looks[i] * parts[i];
#pragma unroll
      for (int offset = LANES / 2; offset > 0; offset /= 2)
        score += __shfl_xor_sync(0xffffffffu, score, offset);
      if (bias[u] > NOTHING) {
        score += bias[u];
        const float better = fmaxf(best, score);
        const float kept = expf(best - better), weight = expf(score - better);
        unpack(value[u], parts);
        total = total * kept + weight;
#pragma unroll
        for (int i = 0; i < VEC; i++) mixture[i] = mixture[i] * kept + weight * parts[i];
        best = better;
      }
    }
  }
  if (begin == 0) {
    bests[group] = best;
    totals[group] = total;
  }
#pragma unroll
  for (int i = 0; i < VEC; i++) sums[group][begin + i] = mixture[i];
  __syncthreads();
  const int e = threadIdx.x;
  float sum = 0.0f;
  best = NOTHING;
  total = 0.0f;
  if (e < WIDTH) {
    for (int g = 0; g < GROUPS; g++) best = fmaxf(best, bests[g]);
    for (int g = 0; g < GROUPS; g++) {
      const float kept = expf(bests[g] - best);
      total += totals[g] * kept;
      sum += sums[g][e] * kept;
    }
  }
  number *to = mixed + (size_t)row * DIM + head * WIDTH + e;
  if (gridDim.y == 1) {
    if (e < WIDTH) *to = narrow(sum / total);
    return;
  }
  volatile float *mine = shares + (size_t)blockIdx.x * gridDim.y * (WIDTH + 2);
  if (e < WIDTH) mine[blockIdx.y * (WIDTH + 2) + e] = sum;
  if (e == 0) {
    mine[blockIdx.y * (WIDTH + 2) + WIDTH] = best;
    mine[blockIdx.y * (WIDTH + 2) + WIDTH + 1] = total;
  }
  __threadfence();
  __syncthreads();
  // Counts up to the number of shares and is zero again for the next step.
  if (e == 0) is_last = atomicInc(arrived + blockIdx.x, gridDim.y - 1) == gridDim.y - 1;
  __syncthreads();
  if (!is_last || e >= WIDTH) return;
  __threadfence();
  best = NOTHING;
  for (int s = 0; s < gridDim.y; s++) best = fmaxf(best, mine[s * (WIDTH + 2) + WIDTH]);
  sum = total = 0.0f;
  for (int s = 0; s < gridDim.y; s++) {
    const float kept = expf(mine[s * (WIDTH + 2) + WIDTH] - best);
    total += mine[s * (WIDTH + 2) + WIDTH + 1] * kept;
    sum += mine[s * (WIDTH + 2) + e] * kept;
  }
  *to = narrow(sum / total);
}

extern "C" {

__global__ void __launch_bounds__(THREADS)
    make_qkv(const number *x, const number *gain, const number *shift, const number *weight,
             number *qkv) {
  norm_product<ROWS, false>(x, gain, shift, weight, qkv, 3 * DIM);
}

__global__ void __launch_bounds__(THREADS)
    look_back(const number *qkv, number *past, const number *mask, number *mixed, float *shares,
              unsigned *arrived, const long long *cell, int cells) {
  attend<true>(qkv, past, mask, mixed, shares, arrived, cells, (int)*cell + 1);
}

__global__ void __launch_bounds__(THREADS)
    add_mixed(const number *mixed, const number *weight, number *x) {
  product_plus<ROWS, DIM>(mixed, weight, x);
}

__global__ void __launch_bounds__(THREADS)
    make_inner(const number *x, const number *gain, const number *shift, const number *weight,
               number *inner) {
  norm_product<ROWS, true>(x, gain, shift, weight, inner, FFN);
}

__global__ void __launch_bounds__(THREADS)
    add_inner(const number *inner, const number *weight, number *x) {
  product_plus<ROWS, FFN>(inner, weight, x);
}

#if TEXTED
__global__ void __launch_bounds__(THREADS)
    make_query(const number *x, const number *gain, const number *shift, const number *weight,
               number *query) {
  norm_product<TEXTED, false>(x, gain, shift, weight, query, DIM);
}

__global__ void __launch_bounds__(THREADS)
    look_at_text(const number *query, number *both, const number *mask, number *mixed,
                 int text_length) {
  attend<false>(query, both, mask, mixed, 0, 0, text_length, text_length);
}

__global__ void __launch_bounds__(THREADS)
    add_said(const number *mixed, const number *weight, number *x) {
  product_plus<TEXTED, DIM>(mixed, weight, x);
}
#endif
}
