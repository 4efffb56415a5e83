; Of several patterns for a node the last one counts.

(identifier) @variable

; ---- comments and strings ----------------------------------------------------------------------------------------------
[(comment) (block_comment)] @comment
[(doc_comment) (inner_doc_comment)] @comment.documentation
[(string) (asm_string) (asm_char)] @string

; ---- keywords ----------------------------------------------------------------------------------------------------------
["patchset" "feature" "include" "op" "branch"] @keyword
["arch" "abi" "baseline" "syntax" "site" "clobbers" "preserves" "default" "allow"] @keyword
["when" "in"] @keyword
[(live_clause) (nocall_clause) (partial_clause) (identity)] @keyword

; ---- patchset and features ---------------------------------------------------------------------------------------------
(patchset name: (identifier) @module)
(feature name: (identifier) @constant)
(branch_name (identifier) @module)
(branch_name (identifier) @constant .)
(boolean) @keyword
(abi_clause abi: (identifier) @constant.builtin)
(syntax_clause syntax: (identifier) @constant.builtin)
(feature_name) @constant
(arch) @constant.builtin
(site_kind (identifier) @constant.builtin)
(number) @number

; ---- op ----------------------------------------------------------------------------------------------------------------
(op_name (identifier) @module)
(op_name (identifier) @function .)
(parameter name: (identifier) @variable.parameter)
(type) @type
((type) @type.builtin
  (#match? @type.builtin "^(word|u8|u16|u32|u64|ptr|bool)$"))
(never) @type.builtin
(register) @variable.builtin
(clobber) @variable.builtin
((clobber) @constant.builtin
  (#match? @constant.builtin "^(flags|memory|barrier|caller_saved|none|vector|if|df|ac|uif|mxcsr|fpcw)$"))
(default_clause function: (identifier) @function)
(allow_clause code: (identifier) @constant)

; ---- rows --------------------------------------------------------------------------------------------------------------
["&&" "||" "=" "->" "|"] @operator
(not "!" @operator)
(byte) @number
((byte) @constant.builtin
  (#eq? @constant.builtin "??"))

; ---- asm ---------------------------------------------------------------------------------------------------------------
(mnemonic) @function.builtin
((mnemonic) @keyword.directive
  (#match? @keyword.directive "^[.]"))
(prefix) @attribute
(decorator) @attribute
(label (symbol) @label)
(label (asm_number) @label)
(operand (symbol) @variable)
(asm_register) @variable.builtin
(asm_number) @number
(label (asm_number) @label)
((asm_number) @label
  (#match? @label "^[0-9]+[bf]$"))
(role "{" @punctuation.special name: (identifier) @variable.parameter "}" @punctuation.special)
(operator) @operator

; ---- punctuation -------------------------------------------------------------------------------------------------------
["," ";" ":" "."] @punctuation.delimiter
["(" ")" "[" "]"] @punctuation.bracket
(patchset_body ["{" "}"] @punctuation.bracket)
(op_body ["{" "}"] @punctuation.bracket)
(branch_body ["{" "}"] @punctuation.bracket)
(asm ["{" "}"] @punctuation.bracket)
