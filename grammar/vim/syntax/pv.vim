" Vim syntax file: patch sets of pvc (.pv).
if exists('b:current_syntax')
  finish
endif
let s:cpo = &cpo
set cpo&vim

syn case match
setlocal iskeyword=@,48-57,_
syn sync minlines=100

" ---- comments -------------------------------------------------------------------------------------------------------
syn keyword pvTodo     contained FIXME NOTE XXX
syn match   pvComment  "//.*$" contains=pvTodo,@Spell
syn match   pvDoc      "//!.*$" contains=pvTodo,@Spell
syn match   pvDoc      "///\ze\%([^/]\|$\).*$" contains=pvTodo,@Spell
syn match   pvDoc      "///\%([^/].*\)\?$" contains=pvTodo,@Spell
syn region  pvString   contained oneline start=+"+ end=+"+

" ---- items ----------------------------------------------------------------------------------------------------------
" An item's keyword leads its line, and no line inside of an item begins with one: regions end there at the latest.
syn match   pvItemLine "^\s*\%(patchset\|feature\|include\|op\|branch\)\>:\@!" contains=pvItem
      \ nextgroup=pvName,pvString skipwhite
syn keyword pvItem     contained patchset feature include op branch
syn match   pvName     contained "\h\w*\%(\.\h\w*\)*" nextgroup=pvSignature,pvAssign skipwhite
syn match   pvAssign   contained "=" nextgroup=pvModifier skipwhite

syn match   pvOperand  contained "\h\w*\ze\s*:"
syn region  pvSignature contained matchgroup=pvDelimiter start="(" end=")" end="^\ze\s*\%(patchset\|feature\|include\|op\|branch\)\>:\@!"
      \ contains=pvOperand,pvType,pvIn,pvComment
syn match   pvArrow    "->" nextgroup=pvNever,pvReturns,pvType,pvResult skipwhite
syn match   pvNever    contained "!"
syn region  pvReturns  contained matchgroup=pvDelimiter start="(" end=")" contains=pvOperand,pvType,pvIn,pvComment
syn match   pvResult   contained "\h\w*\s*:" nextgroup=pvType skipwhite
syn keyword pvType     contained word u8 u16 u32 u64 ptr bool nextgroup=pvIn skipwhite
" No keyword item: an operand may have that name.
syn match   pvIn       contained "\<in\>\%(\s*:\)\@!" nextgroup=pvRegister skipwhite
syn match   pvRegister contained "\h\w*"

syn region  pvBlock    matchgroup=pvDelimiter start="{" end="}" end="^\ze\s*\%(patchset\|feature\|include\|op\|branch\)\>:\@!" fold
      \ contains=pvComment,pvClause,pvModifier,pvArch,pvWhen,pvAsm,pvBytes

" ---- clauses --------------------------------------------------------------------------------------------------------
syn keyword pvClause   contained arch nextgroup=pvArch skipwhite
syn keyword pvClause   contained abi syntax nextgroup=pvValue skipwhite
syn keyword pvClause   contained baseline nextgroup=pvFeatures skipwhite
syn keyword pvClause   contained site nextgroup=pvSites skipwhite
syn keyword pvClause   contained clobbers preserves nextgroup=pvClobbers skipwhite
syn keyword pvClause   contained default nextgroup=pvExternal skipwhite
syn keyword pvClause   contained allow nextgroup=pvAllow skipwhite
syn keyword pvModifier contained live nocall partial identity true false
syn keyword pvArch     contained x86_64 i386 x86
syn keyword pvValue    contained kernel user att intel
syn keyword pvEffect   contained flags memory barrier caller_saved none vector if df ac uif mxcsr fpcw
syn match   pvExternal contained "\h\w*"
syn region  pvAllow    contained oneline start="(" end=")" contains=pvString,pvCode
syn match   pvCode     contained "\<PV\d\+\>"
syn match   pvFeatures contained "[^/\n}]\+" contains=pvFeature
syn match   pvFeature  contained "\w[[:alnum:]_.-]*"
syn match   pvSites    contained "[^/\n}]\+" contains=pvArch,pvSite,pvNumber
syn match   pvSite     contained "\<\%(x86_64\>\|i386\>\|x86\>\)\@!\h\w*\%(\.\w\+\)*"
syn match   pvNumber   contained "\<\d\+\>"
syn match   pvClobbers contained "[^/\n}]\+" contains=pvArch,pvEffect,pvClobber
syn match   pvClobber  contained "\<\w\+\>"

" ---- rows -----------------------------------------------------------------------------------------------------------
syn region  pvWhen     contained matchgroup=pvKeyword start="\<when\>" end="\ze[{}]" end="\ze\<identity\s*\%({\|$\)"
      \ contains=pvLogic,pvFeature
syn match   pvLogic    contained "&&\|||\|!"
" Up to the end of the line, or further after `|`.
syn region  pvBytes    contained matchgroup=pvLogic start="=" end="[^|[:space:]=]\@1<=\s*$" end="\ze//" end="\ze}"
      \ contains=pvByte,pvFixup,pvGroup
syn match   pvByte     contained "\<\x\x\>"
syn match   pvFixup    contained "??"
syn match   pvGroup    contained "|"

" ---- asm ------------------------------------------------------------------------------------------------------------
" A word that leads a statement is its mnemonic, unless it is a label or prefix; the operands follow up to the
" statement's end.
syn region  pvAsm      contained matchgroup=pvDelimiter start="{" end="}" end="^\ze\s*\%(patchset\|feature\|include\|op\|branch\)\>:\@!"
      \ contains=pvMnemonic,pvDirective,pvPrefix,pvLabel,pvDecorator,pvRole,pvAsmComment,pvAsmBlock
syn match   pvMnemonic    contained "\h[[:alnum:]_.$]*" nextgroup=pvOperands skipwhite
syn match   pvDirective   contained "\.[[:alnum:]_.]*" nextgroup=pvOperands skipwhite
syn match   pvPrefix      contained "\c\<\%(lock\|rep\|repe\|repz\|repne\|repnz\|data16\|data32\|addr16\|addr32\|xacquire\|xrelease\|bnd\|notrack\|[cdefgs]s\|rex\%(64\)\?x\?y\?z\?\)\>[.$]\@!"
syn match   pvLabel       contained "[[:alnum:]_.$]\+\s*:"
syn region  pvOperands    contained start="[^;}[:space:]#/]\@=" end="\ze[;}#]" end="\ze//" end="$"
      \ contains=pvSymbol,pvTarget,pvRole,pvDecorator,pvAsmRegister,pvAsmNumber,pvAsmString,pvAsmChar,pvAsmBlock
syn match   pvSymbol      contained "[[:alpha:]_.][[:alnum:]_.$]*"
syn match   pvAsmNumber   contained "\<\d\w*\>"
syn match   pvTarget      contained "\<\d\+[bf]\>"
syn match   pvRole        contained "{\h\w*}"
syn match   pvDecorator   contained "\c{\%(%\?k[0-7]\|z\|sae\|r[nduz]-sae\|1to\d\+\|vex[23]\?\|evex\|rex2\?\|load\|store\|disp\%(8\|16\|32\)\|nf\|nooptimize\|dfv=[a-z, ]*\)}"
syn match   pvAsmRegister contained "%\%(st([0-7])\|\a\w*\)"
syn match   pvAsmString   contained +"\%(\\.\|[^"\\]\)*"+
syn match   pvAsmChar     contained +'\%(\\.\|.\)'\?+
syn match   pvAsmComment  contained "\%(#\|//\).*$" contains=pvTodo,@Spell
syn region  pvAsmBlock    contained start="/\*" end="\*/" contains=pvTodo,@Spell

hi def link pvTodo Todo
hi def link pvComment Comment
hi def link pvDoc SpecialComment
hi def link pvString String
hi def link pvItem Keyword
hi def link pvName Function
hi def link pvIn Keyword
hi def link pvType Type
hi def link pvNever Type
hi def link pvRegister Special
hi def link pvOperand Identifier
hi def link pvDelimiter Delimiter
hi def link pvKeyword Keyword
hi def link pvClause Statement
hi def link pvModifier StorageClass
hi def link pvArch Constant
hi def link pvValue Constant
hi def link pvEffect Constant
hi def link pvClobber Special
hi def link pvSite Constant
hi def link pvNumber Number
hi def link pvExternal Function
hi def link pvCode Constant
hi def link pvFeature Identifier
hi def link pvLogic Operator
hi def link pvArrow Operator
hi def link pvAssign Operator
hi def link pvByte Number
hi def link pvFixup Special
hi def link pvGroup Operator
hi def link pvMnemonic Statement
hi def link pvDirective PreProc
hi def link pvPrefix StorageClass
hi def link pvLabel Label
hi def link pvTarget Label
hi def link pvSymbol Identifier
hi def link pvRole Identifier
hi def link pvDecorator StorageClass
hi def link pvAsmRegister Special
hi def link pvAsmNumber Number
hi def link pvAsmString String
hi def link pvAsmChar Character
hi def link pvAsmComment Comment
hi def link pvAsmBlock Comment

let b:current_syntax = 'pv'
let &cpo = s:cpo
unlet s:cpo
