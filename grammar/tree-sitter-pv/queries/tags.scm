(patchset name: (identifier) @name) @definition.module
(op name: (op_name) @name) @definition.function
(branch name: (branch_name) @name) @definition.constant
(feature name: (identifier) @name) @definition.constant
