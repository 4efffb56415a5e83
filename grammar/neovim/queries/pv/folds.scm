[
  (patchset_body)
  (op_body)
  (branch_body)
  (asm)
  (parameters)
] @fold
