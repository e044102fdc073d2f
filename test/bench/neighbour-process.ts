// Someone else's work on the same machine, for as long as the thread lives: looks up 32 MB at places that no cache foresees.

const table = new Float64Array(1 << 22)
for (let hash = 1, turn = 0; ; turn++) {
  hash = Math.imul(hash ^ turn, 16_777_619)
  table[(hash >>> 8) & (table.length - 1)]! += turn
}
