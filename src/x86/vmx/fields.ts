/** VMCS fields with their encodings and widths (Intel SDM 3D, appendix "Field Encoding in VMCS"), those that this processor has. */

/** Width of a field; natural fields are 32 bits here, as on a processor without 64-bit mode. */
export type FieldWidth = '16' | '32' | '64' | 'natural';
export type FieldArea = 'control' | 'exit' | 'guest' | 'host';

/** Encodings by name. High halves of 64-bit fields have the encoding plus 1. */
export const Field = {
  vpid: 0x0000,

  guestEsSelector: 0x0800,
  guestCsSelector: 0x0802,
  guestSsSelector: 0x0804,
  guestDsSelector: 0x0806,
  guestFsSelector: 0x0808,
  guestGsSelector: 0x080a,
  guestLdtrSelector: 0x080c,
  guestTrSelector: 0x080e,

  hostEsSelector: 0x0c00,
  hostCsSelector: 0x0c02,
  hostSsSelector: 0x0c04,
  hostDsSelector: 0x0c06,
  hostFsSelector: 0x0c08,
  hostGsSelector: 0x0c0a,
  hostTrSelector: 0x0c0c,

  ioBitmapA: 0x2000,
  ioBitmapB: 0x2002,
  tscOffset: 0x2010,
  eptPointer: 0x201a,

  guestPhysicalAddress: 0x2400,

  vmcsLinkPointer: 0x2800,
  guestDebugCtl: 0x2802,

  pinBasedControls: 0x4000,
  primaryControls: 0x4002,
  exceptionBitmap: 0x4004,
  pageFaultErrorMask: 0x4006,
  pageFaultErrorMatch: 0x4008,
  cr3TargetCount: 0x400a,
  exitControls: 0x400c,
  exitMsrStoreCount: 0x400e,
  exitMsrLoadCount: 0x4010,
  entryControls: 0x4012,
  entryMsrLoadCount: 0x4014,
  entryInterruption: 0x4016,
  entryErrorCode: 0x4018,
  entryInstructionLength: 0x401a,
  secondaryControls: 0x401e,

  instructionError: 0x4400,
  exitReason: 0x4402,
  exitInterruption: 0x4404,
  exitErrorCode: 0x4406,
  idtVectoring: 0x4408,
  idtVectoringErrorCode: 0x440a,
  exitInstructionLength: 0x440c,

  guestEsLimit: 0x4800,
  guestCsLimit: 0x4802,
  guestSsLimit: 0x4804,
  guestDsLimit: 0x4806,
  guestFsLimit: 0x4808,
  guestGsLimit: 0x480a,
  guestLdtrLimit: 0x480c,
  guestTrLimit: 0x480e,
  guestGdtrLimit: 0x4810,
  guestIdtrLimit: 0x4812,
  guestEsAccessRights: 0x4814,
  guestCsAccessRights: 0x4816,
  guestSsAccessRights: 0x4818,
  guestDsAccessRights: 0x481a,
  guestFsAccessRights: 0x481c,
  guestGsAccessRights: 0x481e,
  guestLdtrAccessRights: 0x4820,
  guestTrAccessRights: 0x4822,
  guestInterruptibility: 0x4824,
  guestActivity: 0x4826,
  guestSysenterCs: 0x482a,

  hostSysenterCs: 0x4c00,

  cr0Mask: 0x6000,
  cr4Mask: 0x6002,
  cr0ReadShadow: 0x6004,
  cr4ReadShadow: 0x6006,

  exitQualification: 0x6400,
  guestLinearAddress: 0x640a,

  guestCr0: 0x6800,
  guestCr3: 0x6802,
  guestCr4: 0x6804,
  guestEsBase: 0x6806,
  guestCsBase: 0x6808,
  guestSsBase: 0x680a,
  guestDsBase: 0x680c,
  guestFsBase: 0x680e,
  guestGsBase: 0x6810,
  guestLdtrBase: 0x6812,
  guestTrBase: 0x6814,
  guestGdtrBase: 0x6816,
  guestIdtrBase: 0x6818,
  guestDr7: 0x681a,
  guestRsp: 0x681c,
  guestRip: 0x681e,
  guestRflags: 0x6820,
  guestPendingDebug: 0x6822,
  guestSysenterEsp: 0x6824,
  guestSysenterEip: 0x6826,

  hostCr0: 0x6c00,
  hostCr3: 0x6c02,
  hostCr4: 0x6c04,
  hostFsBase: 0x6c06,
  hostGsBase: 0x6c08,
  hostTrBase: 0x6c0a,
  hostGdtrBase: 0x6c0c,
  hostIdtrBase: 0x6c0e,
  hostSysenterEsp: 0x6c10,
  hostSysenterEip: 0x6c12,
  hostRsp: 0x6c14,
  hostRip: 0x6c16,
} as const;

export type FieldName = keyof typeof Field;
/** Any VMCS field encoding; not every number is the encoding of a field that exists. */
export type FieldEncoding = number;

export interface FieldInfo {
  readonly name: FieldName;
  readonly encoding: FieldEncoding;
  readonly width: FieldWidth;
  readonly area: FieldArea;
  /** VM-exit information fields cannot be written on this processor. */
  readonly readOnly: boolean;
  /** Byte offset of its value in the VMCS data area of this processor; eight bytes for 64-bit fields, else four. */
  readonly offset: number;
}

const WIDTHS: readonly FieldWidth[] = ['16', '64', '32', 'natural'];
const AREAS: readonly FieldArea[] = ['control', 'exit', 'guest', 'host'];

/** The revision identifier and the abort indicator (offset 4) come first; what follows is the processor's own affair. */
export const VMCS_REVISION_OFFSET = 0;
/** 0 clear, 1 launched (this processor's own bookkeeping, outside software's reach). */
export const VMCS_LAUNCH_STATE_OFFSET = 8;
const DATA_OFFSET = 0x10;
/** Bytes per field, so that every offset is aligned. */
const FIELD_BYTES = 8;

/** All fields in the order of their encodings; the data of the n-th lies at DATA_OFFSET + 8 n. */
export const FIELDS: readonly FieldInfo[] = Object.entries(Field)
  .sort(([, a], [, b]) => a - b)
  .map(([name, encoding], index) => {
    const area = AREAS[(encoding >> 10) & 3] ?? 'control';
    return {
      // The keys of `Field` are its names.
      name: name as FieldName,
      encoding,
      width: WIDTHS[(encoding >> 13) & 3] ?? 'natural',
      area,
      readOnly: area === 'exit',
      offset: DATA_OFFSET + index * FIELD_BYTES,
    };
  });

const BY_ENCODING: ReadonlyMap<FieldEncoding, FieldInfo> = new Map(FIELDS.map((f) => [f.encoding, f]));

/** The field of an encoding (bit 0, the high-half access type, must be clear), or undefined when there is none. */
export function fieldInfo(encoding: FieldEncoding): FieldInfo | undefined {
  return BY_ENCODING.get(encoding);
}
