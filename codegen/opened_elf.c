/* opened_elf.c -- opens an ELF file up at the segment of the weights, which the linker put last and left empty.
 *
 * What is behind the segment (names and section headers) moves, and headers get the new size. The fields are the same in
 * files of 32 and of 64 bits, at other places and of other widths. */
#include <elf.h>

#include "codegen/opened.h"
#include "ir/fatal.h"
#include "runtime/abi.h"

typedef struct Field {
  uint8_t at, bytes;
} Field;

typedef struct Form {
  Field program_headers, n_program_headers, section_headers, n_section_headers;
  Field type, offset, file_size, size, align;  /* of a segment */
  Field section_flags, section_offset, section_size;
  size_t segment, section; /* bytes of their headers */
} Form;

// clang-format off
#define FIELD(type, member) {offsetof(type, member), sizeof(((type *)NULL)->member)}
#define FORM(Header, Segment, Section) { \
    FIELD(Header, e_phoff), FIELD(Header, e_phnum), FIELD(Header, e_shoff), FIELD(Header, e_shnum), \
    FIELD(Segment, p_type), FIELD(Segment, p_offset), FIELD(Segment, p_filesz), FIELD(Segment, p_memsz), FIELD(Segment, p_align), \
    FIELD(Section, sh_flags), FIELD(Section, sh_offset), FIELD(Section, sh_size), sizeof(Segment), sizeof(Section)}
static const Form forms[] = {
  [ELFCLASS32] = FORM(Elf32_Ehdr, Elf32_Phdr, Elf32_Shdr),
  [ELFCLASS64] = FORM(Elf64_Ehdr, Elf64_Phdr, Elf64_Shdr),
};
#undef FORM
#undef FIELD
// clang-format on

static uint64_t get(const char *header, Field f) {
  uint64_t v = 0;
  memcpy(&v, header + f.at, f.bytes); /* both are little-endian */
  return v;
}

static void set(char *header, Field f, uint64_t v) { memcpy(header + f.at, &v, f.bytes); }

static char *weights_segment(char *file, const Form *f) {
  char *at = file + get(file, f->program_headers);
  for (uint64_t i = 0; i < get(file, f->n_program_headers); i++, at += f->segment)
    if (get(at, f->type) == PT_LOAD && get(at, f->align) == LRT_WEIGHTS_ALIGN) return at;
  return NULL;
}

typedef struct Move {
  uint64_t weights, to, size; /* where they were, and are */
  uint64_t tail, by;          /* what was behind */
} Move;

static void move_sections(char *file, const Form *f, const Move *m) {
  char *at = file + get(file, f->section_headers);
  for (uint64_t i = 0; i < get(file, f->n_section_headers); i++, at += f->section) {
    uint64_t offset = get(at, f->section_offset);
    if (offset >= m->tail) set(at, f->section_offset, offset + m->by);
    else if (offset == m->weights && (get(at, f->section_flags) & SHF_ALLOC)) set(at, f->section_offset, m->to), set(at, f->section_size, m->size);
  }
}

Opened opened_elf(char *file, size_t file_size, uint64_t size, uint64_t wish) {
  const Form *f = &forms[(uint8_t)file[EI_CLASS] == ELFCLASS32 ? ELFCLASS32 : ELFCLASS64];
  char *segment = weights_segment(file, f);
  ensure(segment && wish % LRT_WEIGHTS_ALIGN == 0);
  uint64_t weights = get(segment, f->offset), tail = weights + get(segment, f->file_size), to = wish > weights ? wish : weights;
  ensure(tail % LRT_ALIGN == 0); /* so that moving what follows keeps its alignment */
  uint64_t moved = (to + size + LRT_ALIGN - 1) / LRT_ALIGN * LRT_ALIGN;
  move_sections(file, f, &(Move){.weights = weights, .to = to, .size = size, .tail = tail, .by = moved - tail});
  set(file, f->section_headers, get(file, f->section_headers) + moved - tail);
  set(segment, f->offset, to);
  set(segment, f->file_size, size);
  set(segment, f->size, size);
  return (Opened){file, file + tail, weights, file_size - tail, to, moved};
}
