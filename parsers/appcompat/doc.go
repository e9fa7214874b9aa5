// Package appcompat reads what the application compatibility engine of Windows
// keeps: the value AppCompatCache (or AppCompatibility\AppCompatCache) of the
// SYSTEM hive, known as ShimCache, and the file RecentFileCache.bcf.
//
// It decodes the cache of XP, 2003 (32 and 64 bit), Vista and 2008, 7 and 2008
// R2, 8 and 2012, 8.1 and 2012 R2, 10 and 11. None of it is documented by
// Microsoft. Sources: A. Davis (Mandiant), "Leveraging the Application
// Compatibility Cache in Forensic Investigations", 2012, for XP to 7;
// E. Zimmerman's AppCompatCacheParser and libyal's dtformats,
// "Application Compatibility Cache key format", for 8 to 10; libyal's
// dtformats, "RecentFileCache.bcf", for the file.
//
// Not decoded: the statistics in the headers, the data behind an entry
// (kept as bytes), the insertion flags beyond their numbers. What an entry
// means, and that its time is not the time of a run, is not said here.
package appcompat
