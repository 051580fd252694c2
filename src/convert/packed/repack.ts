/**
 * Weights as AutoAWQ and GPTQ libraries pack them → MLX's affine layout, without loss.
 *
 * Both store a matrix by its inputs, [inputs, outputs], and `value = scale * (q - zero)`, which is MLX's
 * `scale * q + bias` with `bias = -zero * scale`. With w codes to a 32-bit word, w = 32 / bits:
 *
 * | tensor  | AWQ (gemm)                                 | GPTQ                                                 |
 * |---------|--------------------------------------------|------------------------------------------------------|
 * | qweight | [in, out / w], a word holds w outputs       | [in / w, out], a word holds w inputs, low bits first |
 * | qzeros  | [groups, out / w], outputs as in qweight    | [groups, out / w], low bits first, each less one     |
 * | scales  | [groups, out]                              | [groups, out]                                        |
 * | g_idx   | -                                          | [in], the group of each input                        |
 *
 * In AWQ's words the outputs stand in the order 0 2 4 6 1 3 5 7.
 */

const AWQ_PLACES = [0, 4, 1, 5, 2, 6, 3, 7];

export interface PackedMatrix {
  method: "awq" | "gptq";
  bits: number;
  inputs: number;
  outputs: number;
  /** Groups of scales and zero points. */
  groups: number;
  qweight: Uint32Array;
  /** Absent: all zero points are in the middle. */
  qzeros: Uint32Array | undefined;
  zeroOffset: 0 | 1;
}

/** The zero point of each group and output: [groups, outputs]. */
export function zeroPoints({ method, bits, outputs, groups, qzeros, zeroOffset }: PackedMatrix): Uint16Array {
  const zeros = new Uint16Array(groups * outputs).fill(2 ** (bits - 1));
  if (qzeros === undefined) return zeros;
  const perWord = 32 / bits;
  const mask = 2 ** bits - 1;
  for (let index = 0; index < zeros.length; index++) {
    const place = method === "awq" ? (AWQ_PLACES[index % perWord] as number) : index % perWord;
    const word = qzeros[Math.floor(index / perWord)] as number;
    zeros[index] = ((word >>> (place * bits)) & mask) + zeroOffset;
  }
  return zeros;
}

/**
 * The inputs group by group, from each one's group.
 *
 * @returns Undefined when that is the order in which they stand. Null when the groups are not of one size.
 */
export function inputOrder(groupOfInput: Int32Array, groups: number): Uint32Array | undefined | null {
  const size = groupOfInput.length / groups;
  const filled = new Uint32Array(groups);
  const order = new Uint32Array(groupOfInput.length);
  let sorted = true;
  for (const [input, group] of groupOfInput.entries()) {
    const place = filled[group];
    if (place === undefined || place >= size) return null;
    filled[group] = place + 1;
    order[group * size + place] = input;
    sorted &&= group * size + place === input;
  }
  return sorted ? undefined : order;
}

/**
 * Rows `first` to `end` of MLX's packed weight, [outputs, inputs / w] words, both multiples of w.
 *
 * @param order Of GPTQ: the inputs in the order of the new columns; undefined: as they are.
 */
export function repackRows(
  matrix: PackedMatrix,
  order: Uint32Array | undefined,
  first: number,
  end: number,
): Uint32Array {
  const rowWords = (matrix.inputs * matrix.bits) / 32;
  const rows = new Uint32Array((end - first) * rowWords);
  if (matrix.method === "awq") repackAwq(matrix, first, end, rows);
  else if (order === undefined) transposeWords(matrix, first, end, rows);
  else gatherCodes(matrix, order, first, end, rows);
  return rows;
}

/** GPTQ's words are MLX's already. */
function transposeWords(
  { qweight, inputs, outputs, bits }: PackedMatrix,
  first: number,
  end: number,
  rows: Uint32Array,
) {
  const rowWords = (inputs * bits) / 32;
  for (let word = 0; word < rowWords; word++) {
    for (let output = first; output < end; output++) {
      rows[(output - first) * rowWords + word] = qweight[word * outputs + output] as number;
    }
  }
}

function gatherCodes(
  { qweight, inputs, outputs, bits }: PackedMatrix,
  order: Uint32Array,
  first: number,
  end: number,
  rows: Uint32Array,
): void {
  const perWord = 32 / bits;
  const rowWords = inputs / perWord;
  const mask = 2 ** bits - 1;
  for (let column = 0; column < inputs; column++) {
    const input = order[column] as number;
    const from = Math.floor(input / perWord) * outputs;
    const shift = (input % perWord) * bits;
    const target = Math.floor(column / perWord);
    const place = (column % perWord) * bits;
    for (let output = first; output < end; output++) {
      const code = ((qweight[from + output] as number) >>> shift) & mask;
      const at = (output - first) * rowWords + target;
      rows[at] = (rows[at] as number) | (code << place);
    }
  }
}

function repackAwq({ qweight, inputs, outputs }: PackedMatrix, first: number, end: number, rows: Uint32Array): void {
  const rowWords = inputs / 8;
  const sourceWords = outputs / 8;
  for (let column = 0; column < inputs; column++) {
    const from = column * sourceWords;
    const place = (column % 8) * 4;
    const target = column >>> 3;
    for (let output = first; output < end; output += 8) {
      const word = qweight[from + output / 8] as number;
      for (let i = 0; i < 8; i++) {
        const code = (word >>> ((AWQ_PLACES[i] as number) * 4)) & 15;
        const at = (output + i - first) * rowWords + target;
        rows[at] = (rows[at] as number) | (code << place);
      }
    }
  }
}

/**
 * Scales and biases of rows `first` to `end`: [outputs, inputs / newGroupSize], float32, in which both are exact.
 * A group may become several.
 *
 * @param scales [groups, outputs]
 */
export function repackScales(
  scales: Float32Array,
  zeros: Uint16Array,
  { outputs, groups, inputs }: PackedMatrix,
  newGroupSize: number,
  first: number,
  end: number,
): { scales: Float32Array; biases: Float32Array } {
  const copies = inputs / groups / newGroupSize;
  const newGroups = groups * copies;
  const result = {
    scales: new Float32Array((end - first) * newGroups),
    biases: new Float32Array((end - first) * newGroups),
  };
  for (let output = first; output < end; output++) {
    for (let group = 0; group < newGroups; group++) {
      const from = Math.floor(group / copies) * outputs + output;
      const scale = scales[from] as number;
      result.scales[(output - first) * newGroups + group] = scale;
      result.biases[(output - first) * newGroups + group] = -scale * (zeros[from] as number);
    }
  }
  return result;
}
