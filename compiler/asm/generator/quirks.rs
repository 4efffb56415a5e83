//! What iced's tables do not say about names: AT&T spellings, suffixes, aliases, old names and
//! optional operands. Data only; `names.rs` applies it.

use super::kinds::*;

/// Codes that are never produced: duplicates of better forms, and instructions that GNU as does not know
/// (Cyrix and early-stepping 386/486 opcodes, reserved NOPs).
pub const BANNED: &[&str] = &[
    // Second encodings of the same thing.
    "Cmpxchg486_*", "Lfence_E*", "Mfence_F*", "Sfence_F*", "Add_rm8_imm8_82", "Or_rm8_imm8_82", "Adc_rm8_imm8_82", "Sbb_rm8_imm8_82",
    "And_rm8_imm8_82", "Sub_rm8_imm8_82", "Xor_rm8_imm8_82", "Cmp_rm8_imm8_82", "Sal_*", "Test_rm8_imm8_F6r1", "Test_rm16_imm16_F7r1",
    "Test_rm32_imm32_F7r1", "Test_rm64_imm32_F7r1", "Fcom_st0_sti_DC*", "Fcomp_st0_sti_D*", "Fxch_st0_sti_D*", "Fstp_sti_DF*",
    // A selector has 16 bits, and wider registers are not spelled.
    "Lldt_r32m16", "Lldt_r64m16", "Ltr_r32m16", "Ltr_r64m16", "Lmsw_r32m16", "Lmsw_r64m16", "Verr_r32m16", "Verr_r64m16",
    "Verw_r32m16", "Verw_r64m16", "Arpl_r32m16_r32",
    "Xstore_alt_*", "Xsha512_alt_*", "Vmgexit_F2",
    // Reserved NOPs and opcodes of single steppings.
    "Reservednop_*", "ReservedNop_*", "Umov_*", "Xbts_*", "Ibts_*", "Storeall", "Loadall*", "Popw_CS", "Ud0", "Bswap_r16", "Jmpe_*",
    "Prefetchreserved*", "Zero_bytes", "Pcommit",
    // Cyrix, Centaur and NexGen.
    "Frinear", "Frichop", "Frint2", "Ftstp", "Bb0_reset", "Bb1_reset", "Cpu_read", "Cpu_write", "Dmint", "Rdm", "Smint", "Smint_0F7E",
    "Svdc_*", "Rsdc_*", "Svldt_*", "Rsldt_*", "Svts_*", "Rsts_*", "Paddsiw_*", "Paveb_*", "Pmagw_*", "Pdistib_*", "Psubsiw_*", "Pmvzb_*",
    "Pmvnzb_*", "Pmvlzb_*", "Pmvgezb_*", "Pmulhriw_*", "Pmachriw_*", "Pmulhrw_mm_mmm64", "Ccs_hash_*", "Ccs_encrypt_*", "Xsha512_*",
    "Altinst", "Undoc*", "Fstdw_*", "Fnstdw_*", "Fstsg_*", "Fnstsg_*", "Fstpnce_*", "Rdshr_*", "Wrshr_*", "Rdudbg", "Wrudbg",
    "Cl1invmb",
    // Knights Corner, which shares mnemonics with AVX-512 but not encodings.
    "VEX_KNC_*",
];

/// Mnemonics of iced's that neither GNU as nor LLVM knows.
pub const BANNED_MNEMONICS: &str = "undoc pfrcpv pfrsqrtv";

/// Mnemonics (iced's) whose forms answer to the name with and without a size letter.
pub const SIZED: &str = "
adc add and arpl bound bsf bsr bswap bt btc btr bts cmp cmpxchg crc32 cvtsi2sd cvtsi2ss
cvtsd2si cvtss2si cvttsd2si cvttss2si vcvtsi2sd vcvtsi2ss vcvtsd2si vcvtss2si vcvttsd2si vcvttss2si
vcvtsi2sh vcvtusi2sh vcvtusi2sd vcvtusi2ss vcvtsh2si vcvttsh2si
cmova cmovae cmovb cmovbe cmove cmovg cmovge cmovl cmovle cmovne cmovno cmovnp cmovns cmovo cmovp cmovs
clr dec div enter idiv imul in inc lar lds lea leave les lfs lgdt lgs lidt lldt lmsw loop loope loopne
lsl lss ltr lzcnt mov movbe movnti mul neg nop not or out pop popcnt ptwrite push rcl rcr rdfsbase rdgsbase rdrand rdseed ret
rol ror sar sbb sgdt shl shld shr shrd sidt sldt smsw str sub test tzcnt ud0 ud1 verr verw wrfsbase wrgsbase xadd xchg xor
adcx adox andn bextr blci blcic blcfill blcmsk blcs blsfill blsi blsic blsmsk blsr bzhi mulx pdep pext rorx sarx shlx shrx
t1mskc tzmsk vmread vmwrite lwpins lwpval call jmp movdiri
fldenv fnstenv fstenv fnsave fsave frstor fldcw fnstcw fstcw fnstsw fstsw
";

/// Mnemonics whose unsuffixed form means the mode's own size, without a warning.
pub const MODE_SIZED: &str = "push pop call jmp ret leave enter pushf popf pusha popa sgdt sidt lgdt lidt loop loope loopne jcxz jecxz jrcxz
bndmov bndcl bndcu bndcn bndmk monitor monitorx vmload vmsave vmrun invlpga clzero umonitor xbegin
fldenv fnstenv fstenv fnsave fsave frstor";

/// AT&T string instructions: iced mnemonics, and the stem that takes a size letter.
pub const STRING_STEMS: &[(&str, &str)] = &[
    ("movsb", "movs"), ("movsw", "movs"), ("movsd", "movs"), ("movsq", "movs"),
    ("cmpsb", "cmps"), ("cmpsw", "cmps"), ("cmpsd", "cmps"), ("cmpsq", "cmps"),
    ("stosb", "stos"), ("stosw", "stos"), ("stosd", "stos"), ("stosq", "stos"),
    ("lodsb", "lods"), ("lodsw", "lods"), ("lodsd", "lods"), ("lodsq", "lods"),
    ("scasb", "scas"), ("scasw", "scas"), ("scasd", "scas"), ("scasq", "scas"),
    ("insb", "ins"), ("insw", "ins"), ("insd", "ins"),
    ("outsb", "outs"), ("outsw", "outs"), ("outsd", "outs"),
];

/// Other mnemonics that iced spells per size and AT&T as a stem with a letter.
pub const STEMS: &[(&str, &str)] = &[
    ("pushfd", "pushf"), ("pushfq", "pushf"), ("popfd", "popf"), ("popfq", "popf"), ("pushad", "pusha"), ("popad", "popa"),
    ("pushf", "pushf"), ("popf", "popf"), ("pusha", "pusha"), ("popa", "popa"),
    ("iret", "iret"), ("iretd", "iret"), ("iretq", "iret"), ("sysretq", "sysret"), ("sysexitq", "sysexit"),
    ("sysret", "sysret"), ("sysexit", "sysexit"), ("retf", "lret"),
];

/// AT&T names of single mnemonics, which replace iced's name; a second and later name is an alias.
pub const ATT_RENAMED: &[(&str, &str)] = &[
    ("cbw", "cbtw cbw"), ("cwde", "cwtl cwde"), ("cdqe", "cltq cdqe"), ("cwd", "cwtd cwd"), ("cdq", "cltd cdq"), ("cqo", "cqto cqo"),
    ("xlatb", "xlat xlatb"), ("wait", "wait fwait"), ("int1", "int1 icebp"), ("salc", "salc setalc"),
    ("getsecq", "getsecq"), ("pmulhrw", "pmulhrw"),
    ("fcomip", "fcomip fcompi"), ("fucomip", "fucomip fucompi"),
    ("ud2", "ud2 ud2a"), ("pcmpestri64", "pcmpestriq"), ("pcmpestrm64", "pcmpestrmq"), ("vpcmpestri64", "vpcmpestriq"),
    ("vpcmpestrm64", "vpcmpestrmq"), ("pcmpestri", "pcmpestri pcmpestril"), ("pcmpestrm", "pcmpestrm pcmpestrml"),
    ("vpcmpestri", "vpcmpestri vpcmpestril"), ("vpcmpestrm", "vpcmpestrm vpcmpestrml"),
];

/// Aliases in both syntaxes: (alias, name). The alias stands for whatever the name stands for.
pub const ALIASES: &[(&str, &str)] = &[
    ("sal", "shl"), ("salb", "shlb"), ("salw", "shlw"), ("sall", "shll"), ("salq", "shlq"),
    ("loopz", "loope"), ("loopnz", "loopne"), ("loopzw", "loopew"), ("loopzl", "loopel"), ("loopzq", "loopeq"),
    ("loopnzw", "loopnew"), ("loopnzl", "loopnel"), ("loopnzq", "loopneq"),
    ("ud2b", "ud1"), ("ud2bw", "ud1w"), ("ud2bl", "ud1l"), ("ud2bq", "ud1q"),
    ("fwait", "wait"), ("icebp", "int1"), ("ud2a", "ud2"), ("setalc", "salc"), ("xlat", "xlatb"),
    ("cbtw", "cbw"), ("cwtl", "cwde"), ("cltq", "cdqe"), ("cwtd", "cwd"), ("cltd", "cdq"), ("cqto", "cqo"),
    ("fcompi", "fcomip"), ("fucompi", "fucomip"),
    ("fcmovna", "fcmovbe"), ("fcmovae", "fcmovnb"), ("fcmova", "fcmovnbe"), ("fcmovnae", "fcmovb"), ("fcmovc", "fcmovb"), ("fcmovnc", "fcmovnb"),
    ("fcmovz", "fcmove"), ("fcmovnz", "fcmovne"),
    ("smov", "movs"), ("smovb", "movsb"), ("smovw", "movsw"), ("smovl", "movsl"), ("smovq", "movsq"),
    ("scmp", "cmps"), ("scmpb", "cmpsb"), ("scmpw", "cmpsw"), ("scmpl", "cmpsl"), ("scmpq", "cmpsq"),
    ("slod", "lods"), ("slodb", "lodsb"), ("slodw", "lodsw"), ("slodl", "lodsl"), ("slodq", "lodsq"),
    ("ssto", "stos"), ("sstob", "stosb"), ("sstow", "stosw"), ("sstol", "stosl"), ("sstoq", "stosq"),
    ("ssca", "scas"), ("sscab", "scasb"), ("sscaw", "scasw"), ("sscal", "scasl"), ("sscaq", "scasq"),
    ("cmpxchg8bq", "cmpxchg8b"), ("xsaveq", "xsave64"), ("fxsaveq", "fxsave64"), ("fxrstorq", "fxrstor64"),
    ("xstorerng", "xstore"), ("xcryptecb", "xcryptecb"),
    ("pushaw", "pushaw"), ("repnz", "repne"),
    ("cmpxchg16b", "cmpxchg16b"),
];

/// Condition codes: iced's spelling, then the others.
pub const CONDITIONS: &[(&str, &[&str])] = &[
    ("o", &[]), ("no", &[]), ("b", &["c", "nae"]), ("ae", &["nb", "nc"]), ("e", &["z"]), ("ne", &["nz"]), ("be", &["na"]), ("a", &["nbe"]),
    ("s", &[]), ("ns", &[]), ("p", &["pe"]), ("np", &["po"]), ("l", &["nge"]), ("ge", &["nl"]), ("le", &["ng"]), ("g", &["nle"]),
];

/// Predicates of (v)cmpps and its kin: name, value, also without `v`.
pub const CMP_PREDICATES: &[(&str, u8, bool)] = &[
    ("eq", 0, true), ("lt", 1, true), ("le", 2, true), ("unord", 3, true), ("neq", 4, true), ("nlt", 5, true), ("nle", 6, true), ("ord", 7, true),
    ("eq_oq", 0, false), ("lt_os", 1, false), ("le_os", 2, false), ("unord_q", 3, false), ("neq_uq", 4, false), ("nlt_us", 5, false),
    ("nle_us", 6, false), ("ord_q", 7, false), ("eq_uq", 8, false), ("nge", 9, false), ("nge_us", 9, false), ("ngt", 10, false),
    ("ngt_us", 10, false), ("false", 11, false), ("false_oq", 11, false), ("neq_oq", 12, false), ("ge", 13, false), ("ge_os", 13, false),
    ("gt", 14, false), ("gt_os", 14, false), ("true", 15, false), ("true_uq", 15, false), ("eq_os", 16, false), ("lt_oq", 17, false),
    ("le_oq", 18, false), ("unord_s", 19, false), ("neq_us", 20, false), ("nlt_uq", 21, false), ("nle_uq", 22, false), ("ord_s", 23, false),
    ("eq_us", 24, false), ("nge_uq", 25, false), ("ngt_uq", 26, false), ("false_os", 27, false), ("neq_os", 28, false), ("ge_oq", 29, false),
    ("gt_oq", 30, false), ("true_us", 31, false),
];

/// Predicates of vpcmp{b,w,d,q} and their unsigned kin.
pub const VPCMP_PREDICATES: &[(&str, u8)] = &[("eq", 0), ("lt", 1), ("le", 2), ("neq", 4), ("nlt", 5), ("nle", 6)];
/// Predicates of XOP vpcom.
pub const VPCOM_PREDICATES: &[(&str, u8)] =
    &[("lt", 0), ("le", 1), ("gt", 2), ("ge", 3), ("eq", 4), ("neq", 5), ("false", 6), ("true", 7)];
/// Predicates of (v)pclmulqdq.
pub const CLMUL_PREDICATES: &[(&str, u8)] = &[("lqlq", 0), ("hqlq", 1), ("lqhq", 16), ("hqhq", 17)];

/// AT&T mnemonics that need an x, y or z behind them when the source is memory.
pub const XYZ: &str = "vcvtpd2ps vcvtpd2dq vcvttpd2dq vcvtpd2udq vcvttpd2udq vcvtqq2ps vcvtuqq2ps vfpclassps vfpclasspd vfpclassph
vcvtpd2ph vcvtps2phx vcvtqq2ph vcvtuqq2ph vcvtdq2ph vcvtudq2ph vcvtneps2bf16";

/// VEX forms that GNU as takes only under `{vex}`: the EVEX form came first (Intel SDM volume 2, AVX-VNNI, AVX-IFMA and
/// AVX-NE-CONVERT of the instructions named).
pub const WANT_VEX: &str = "vpdpbusd vpdpbusds vpdpwssd vpdpwssds vpmadd52luq vpmadd52huq vcvtneps2bf16";

/// Operands that may be written although the opcode implies them: code prefix, operand kinds in Intel order.
pub const EXPLICIT_OPERANDS: &[(&str, &[u8])] = &[
    ("Mwait", &[IMP_EAX, IMP_ECX]), ("Mwait", &[IMP_RAX, IMP_RCX]),
    ("Mwaitx", &[IMP_EAX, IMP_ECX, IMP_EBX]), ("Mwaitx", &[IMP_RAX, IMP_RCX, IMP_RBX]),
    ("Monitorw", &[IMP_AX, IMP_ECX, IMP_EDX]), ("Monitord", &[IMP_EAX, IMP_ECX, IMP_EDX]), ("Monitorq", &[IMP_RAX, IMP_RCX, IMP_RDX]),
    ("Monitorq", &[IMP_RAX, IMP_ECX, IMP_EDX]),
    ("Monitorxw", &[IMP_AX, IMP_ECX, IMP_EDX]), ("Monitorxd", &[IMP_EAX, IMP_ECX, IMP_EDX]), ("Monitorxq", &[IMP_RAX, IMP_RCX, IMP_RDX]),
    ("Monitorxq", &[IMP_RAX, IMP_ECX, IMP_EDX]),
    ("Vmloadw", &[IMP_AX]), ("Vmloadd", &[IMP_EAX]), ("Vmloadq", &[IMP_RAX]),
    ("Vmsavew", &[IMP_AX]), ("Vmsaved", &[IMP_EAX]), ("Vmsaveq", &[IMP_RAX]),
    ("Vmrunw", &[IMP_AX]), ("Vmrund", &[IMP_EAX]), ("Vmrunq", &[IMP_RAX]),
    ("Invlpgaw", &[IMP_AX, IMP_ECX]), ("Invlpgad", &[IMP_EAX, IMP_ECX]), ("Invlpgaq", &[IMP_RAX, IMP_ECX]),
    ("Invlpgbw", &[IMP_AX, IMP_ECX, IMP_EDX]), ("Invlpgbd", &[IMP_EAX, IMP_ECX, IMP_EDX]), ("Invlpgbq", &[IMP_RAX, IMP_ECX, IMP_EDX]),
    ("Clzerow", &[IMP_AX]), ("Clzerod", &[IMP_EAX]), ("Clzeroq", &[IMP_RAX]),
    ("Skinit", &[IMP_EAX]),
    ("Pvalidatew", &[IMP_AX, IMP_ECX, IMP_EDX]), ("Pvalidated", &[IMP_EAX, IMP_ECX, IMP_EDX]), ("Pvalidateq", &[IMP_RAX, IMP_ECX, IMP_EDX]),
    ("Rmpadjust", &[IMP_RAX, IMP_RCX, IMP_RDX]), ("Rmpupdate", &[IMP_RAX, IMP_RCX]),
    ("Pvalidatew", &[IMP_AX]), ("Pvalidated", &[IMP_EAX]), ("Pvalidateq", &[IMP_RAX]), ("Rmpadjust", &[IMP_RAX]), ("Rmpupdate", &[IMP_RAX]),
    ("Blendvpd_", &[48, 20, IMP_XMM0]), ("Blendvps_", &[48, 20, IMP_XMM0]), ("Pblendvb_", &[48, 20, IMP_XMM0]),
    ("Sha256rnds2_", &[48, 20, IMP_XMM0]),
    ("Div_rm8", &[73, 13]), ("Div_rm16", &[75, 14]), ("Div_rm32", &[77, 15]), ("Div_rm64", &[78, 17]),
    ("Idiv_rm8", &[73, 13]), ("Idiv_rm16", &[75, 14]), ("Idiv_rm32", &[77, 15]), ("Idiv_rm64", &[78, 17]),
    ("Imul_r16_rm16_imm8", &[REGRM16, 84]), ("Imul_r16_rm16_imm16", &[REGRM16, 87]),
    ("Imul_r32_rm32_imm8", &[REGRM32, 85]), ("Imul_r32_rm32_imm32", &[REGRM32, 88]),
    ("Imul_r64_rm64_imm8", &[REGRM64, 86]), ("Imul_r64_rm64_imm32", &[REGRM64, 89]),
    ("Int3", &[CONST_3]),
    ("Psmash", &[IMP_RAX]), ("Monitord", &[IMP_EAX, IMP_RCX, IMP_RDX]), ("Monitorxd", &[IMP_EAX, IMP_RCX, IMP_RDX]),
    ("Umwait_r32", &[33, IMP_EDX, IMP_EAX]), ("Tpause_r32", &[33, IMP_EDX, IMP_EAX]),

];

/// Forms of `movq` with a general register, which old assemblers called `movd`, as GNU as and LLVM still do.
pub const WIDE_MOVD: &[&str] = &[
    "Movq_xmm_rm64", "Movq_rm64_xmm", "Movq_mm_rm64", "Movq_rm64_mm", "VEX_Vmovq_xmm_rm64", "VEX_Vmovq_rm64_xmm",
];

/// Names that GNU as or LLVM know and iced cannot encode, by reason. `#` starts a comment.
pub const UNSUPPORTED: &[(&str, &str)] = &[
    ("APX", "jmpabs push2 push2p pop2 pop2p pushp popp imulzu setzub setzune ccmpb ccmpbe ccmpf ccmpl ccmple ccmpnb ccmpnbe ccmpnl ccmpnle ccmpno ccmpns ccmpnz ccmpo ccmps ccmpt ccmpz ctestb ctestbe ctestf ctestl ctestle ctestnb ctestnbe ctestnl ctestnle ctestno ctestns ctestnz ctesto ctests ctestt ctestz cfcmovb cfcmovbe cfcmovl cfcmovle cfcmovnb cfcmovnbe cfcmovnl cfcmovnle cfcmovno cfcmovnp cfcmovns cfcmovnz cfcmovo cfcmovp cfcmovs cfcmovz ccmpa ccmpae ccmpc ccmpe ccmpg ccmpge ccmpnae ccmpnb ccmpne ccmpng ccmpnge ctesta ctestae ctestc cteste ctestg ctestge ctestne setzuo setzuno setzuae setzue setzubee setzubnbe setzus setzuns setzup setzunp setzul setzuge setzule setzug setzua setzube setzunz setzuz"),
    ("AVX10.2", "vminmaxps vminmaxpd vminmaxph vminmaxss vminmaxsd vminmaxsh vminmaxbf16 vminmaxnepbf16 vaddbf16 vsubbf16 vmulbf16 vdivbf16 vmaxbf16 vminbf16 vsqrtbf16 vrcpbf16 vrsqrtbf16 vrndscalebf16 vreducebf16 vscalefbf16 vgetexpbf16 vgetmantbf16 vfpclassbf16 vcmpbf16 vcomisbf16 vaddnepbf16 vsubnepbf16 vmulnepbf16 vdivnepbf16 vmaxpbf16 vminpbf16 vsqrtnepbf16 vrcppbf16 vrsqrtpbf16 vrndscalenepbf16 vreducenepbf16 vscalefpbf16 vgetexppbf16 vgetmantpbf16 vfpclasspbf16 vcmppbf16 vcomsbf16 vfmadd132bf16 vfmadd213bf16 vfmadd231bf16 vfmsub132bf16 vfmsub213bf16 vfmsub231bf16 vfnmadd132bf16 vfnmadd213bf16 vfnmadd231bf16 vfnmsub132bf16 vfnmsub213bf16 vfnmsub231bf16 vfmadd132nepbf16 vfmadd213nepbf16 vfmadd231nepbf16 vcvt2ps2phx vcvt2ph2bf8 vcvt2ph2bf8s vcvt2ph2hf8 vcvt2ph2hf8s vcvtbiasph2bf8 vcvtbiasph2bf8s vcvtbiasph2hf8 vcvtbiasph2hf8s vcvtph2bf8 vcvtph2bf8s vcvtph2hf8 vcvtph2hf8s vcvthf82ph vcvtbf162ibs vcvtbf162iubs vcvttbf162ibs vcvttbf162iubs vcvtps2ibs vcvtps2iubs vcvttps2ibs vcvttps2iubs vcvtph2ibs vcvtph2iubs vcvttph2ibs vcvttph2iubs vcvttpd2dqs vcvttpd2qqs vcvttpd2udqs vcvttpd2uqqs vcvttps2dqs vcvttps2qqs vcvttps2udqs vcvttps2uqqs vcvttsd2sis vcvttsd2usis vcvttss2sis vcvttss2usis vcomxsd vcomxss vcomxsh vucomxsd vucomxss vucomxsh vdpphps"),
    ("the newest AMX", "tcvtrowd2ps tcvtrowps2bf16h tcvtrowps2bf16l tcvtrowps2phh tcvtrowps2phl tcvtrowps2pbf16h tcvtrowps2pbf16l tilemovrow tdpbf8ps tdpbhf8ps tdphbf8ps tdphf8ps tmmultf32ps tileloaddrs tileloaddrst1 ttdpbf16ps ttdpfp16ps ttransposed ttmmultf32ps tconjtfp16 tconjtcmmimfp16ps ttcmmimfp16ps ttcmmrlfp16ps t2rpntlvwz0 t2rpntlvwz0t1 t2rpntlvwz1 t2rpntlvwz1t1 t2rpntlvwz0rs t2rpntlvwz0rst1 t2rpntlvwz1rs t2rpntlvwz1rst1"),
    ("MOVRS", "movrs movrsb movrsw movrsl movrsq vmovrsb vmovrsw vmovrsd vmovrsq prefetchrst2"),
    ("USER_MSR", "urdmsr uwrmsr"),
];

/// Prefix words and their numbers (see `prefixes.rs`).
pub const PREFIX_WORDS: &[(&str, u8)] = &[
    ("lock", 1), ("rep", 2), ("repe", 2), ("repz", 2), ("repne", 3), ("repnz", 3), ("xacquire", 4), ("xrelease", 5), ("bnd", 6),
    ("notrack", 7), ("data16", 8), ("data32", 9), ("addr16", 10), ("addr32", 11),
    ("es", 12), ("cs", 13), ("ss", 14), ("ds", 15), ("fs", 16), ("gs", 17),
];
