(patchset name: (identifier) @name) @definition.module
(op name: (op_name) @name) @definition.function
(feature name: (identifier) @name) @definition.constant
