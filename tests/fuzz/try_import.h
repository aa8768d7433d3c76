/* try_import.h -- imports a language model: to a module that is valid, or to an error. */
#ifndef LATHE_TRY_IMPORT_H
#define LATHE_TRY_IMPORT_H

void try_import(const char *path);

#endif
