; A role in asm refers to an operand of its op.
(op) @local.scope
(parameter name: (identifier) @local.definition.variable.parameter)
(role name: (identifier) @local.reference)
