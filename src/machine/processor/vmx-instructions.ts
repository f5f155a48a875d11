/** VMX instructions of a program: they exit in non-root operation, and are undefined outside VMX operation (Intel SDM 3C). */
import { GuestFault, UD } from '../../x86/exceptions';
import { Code } from '../../x86/iced';
import { CR4_VMXE } from '../../x86/paging-bits';
import { UnsupportedFeature } from './context';
import type { SystemHandler, SystemRow } from './handlers';
import type { InterceptedInstruction } from './vmx/interface';

const vmx =
  (name: InterceptedInstruction): SystemHandler =>
  (ctx) => {
    const { state } = ctx;
    if (ctx.vmx === undefined || !ctx.profile.features.vmx) throw new GuestFault(UD);
    // Before the privilege check: in non-root operation these exit from every ring.
    if (ctx.vmx.inNonRoot) ctx.vmx.intercept(name);
    if (ctx.vmx.mode === 0 && (name !== 'vmxon' || (state.cr4 & CR4_VMXE) === 0)) throw new GuestFault(UD);
    throw new UnsupportedFeature('nested virtualization (a VMX instruction of the guest itself)', state.eip);
  };

export const VMX_INSTRUCTIONS: readonly SystemRow[] = [
  [[Code.Vmcall], vmx('vmcall')],
  [[Code.Vmlaunch], vmx('vmlaunch')],
  [[Code.Vmresume], vmx('vmresume')],
  [[Code.Vmxoff], vmx('vmxoff')],
  [[Code.Vmxon_m64], vmx('vmxon')],
  [[Code.Vmclear_m64], vmx('vmclear')],
  [[Code.Vmptrld_m64], vmx('vmptrld')],
  [[Code.Vmptrst_m64], vmx('vmptrst')],
  [[Code.Vmread_rm32_r32], vmx('vmread')],
  [[Code.Vmwrite_r32_rm32], vmx('vmwrite')],
  [[Code.Invept_r32_m128], vmx('invept')],
  [[Code.Invvpid_r32_m128], vmx('invvpid')],
];
