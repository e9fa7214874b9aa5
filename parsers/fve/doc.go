// Package fve reads volumes that BitLocker encrypted (Full Volume Encryption),
// of Windows Vista to 11 and on sticks (To Go): what they say of themselves
// without a key, and their content with one.
//
// Methods: AES-CBC with and without the Elephant diffuser, AES-XTS, each with
// 128 and 256 bits. Keys: password, recovery password, startup key (.BEK),
// clear key (protection suspended), and the volume key itself. Volumes that
// are encrypted in part are read as they are, sector by sector; so are those
// that encrypt on write, by their bitmaps.
//
// Sources: libyal, "BitLocker Drive Encryption (BDE) format"; Ferguson,
// "AES-CBC + Elephant diffuser", 2006; RFC 3610 (CCM); IEEE 1619 (XTS). The
// structures of encrypt-on-write are as fvevol.sys writes them, known from
// dissect.fve. Integers are little-endian, times are FILETIMEs.
//
// # Not decoded
//
// Keys that a TPM, a network or a smart card holds: the protector is named, and
// the recovery password is the way in. Volumes whose conversion was cut off
// while it was writing a block (state "switching, dirty"): the block is a
// problem with its place.
package fve
