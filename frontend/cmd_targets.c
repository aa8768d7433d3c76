/* cmd_targets.c -- `lathe targets`: lists where programs can run. */
#include "frontend/driver.h"
#include "ir/fatal.h"
#include "ir/target.h"

int command_targets(Driver *d) {
  (void)d;
  for (int i = 0; i < system_count(); i++) {
    const System *s = system_at(i);
    printf("%-14s %s\n", s->name, s->about);
    for (int k = 0; k < target_count(); k++) {
      const Target *t = target_at(k);
      if (t->system == s) printf("  %s %-16s %s\n", t->usual ? "*" : " ", t->name, t->about);
    }
  }
  return EXIT_OK;
}
