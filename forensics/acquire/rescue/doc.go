// Package rescue reads around what cannot be read.
//
// An image is hashed and compressed in order, so what is handed on cannot be
// mended later: all that is to be tried for a part of the medium is tried
// before the part is handed on. Read does this for one window (1 MiB as a
// rule) at a time. A window that reads at once costs one read. Otherwise, in
// this order, so that what is easy is had first:
//
//	sweep    pieces of 64 KiB, forwards
//	trim     each failed piece from its front, sector by sector, to the first
//	         bad sector, then from its back
//	scrape   what lies between, sector by sector
//	retry    the bad sectors again, backwards, as often as asked for
//
// A read that is cut short is no end: what it gave is kept, and the rest is
// read on its own. No sector is called bad that was not read alone.
//
// A bad sector may take a disk many seconds, so what counts is how often a read
// fails. A single bad sector costs three failed reads so (the window, its piece,
// itself); halving down to it would cost twelve.
//
// Time is bounded. Windows that follow each other and have something bad are
// one bad region, and share a budget. When it is used up the rest of the region
// is swept, given up where four pieces fail in a row, and trimmed, but neither
// scraped nor tried again. When a whole window gives nothing, the reader looks
// ahead, in steps that grow, for where the medium answers again, and up to there
// nothing is tried. What was left out so is listed as not tried, apart from what
// is bad: it may be good. ddrescue goes on with it in a raw image, given the map
// that lies beside it.
//
// A medium that is gone answers like a bad sector. Before a window with
// something bad is handed on, the medium must prove that it is still there: its
// size is asked for, and a sector that was good is read again. Where it cannot,
// the window is not handed on and the error is one that device.Gone knows.
//
// What is read, in which order, depends on the medium's answers and on the
// budget alone.
package rescue
