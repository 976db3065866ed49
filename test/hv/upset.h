/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trouble for root mode, on request: what a test guest asks for by hypercall, in helium-test.elf
 * only. upset=WORD on the guest's command line names it:
 *
 *   panic assert smash    panic(), a false assertion, a stack protector that finds its word changed
 *   ud gp read write exec #UD; #GP; an address that is not mapped; text written to; data executed
 *   stack rsp             recursion without end; a stack pointer to nowhere
 *   mc                    the gate of machine checks
 */
#ifndef TEST_HV_UPSET_H
#define TEST_HV_UPSET_H

#include "hv/types.h"

/* Does it, and does not come back. -ENOSYS: the command line names nothing that is known. */
int upset(const char *cmdline);

/* Sends every CPU, this one included, an NMI while it is in root mode or in a guest, whichever it
 * is. Returns how many took exactly one within a second or so. */
unsigned upset_nmis(void);

#endif
