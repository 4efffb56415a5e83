[(patchset_body) (op_body) (asm) (parameters)] @indent
["}" ")"] @outdent
