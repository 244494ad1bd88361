/* A prompt in, a story out: the emitted network in a loop, always the likeliest token next. With both graphs,
 * prefill reads the prompt and decode tells behind it.
 * story_data.h has the prompt, the tokenizer and the tables of the rotary embedding as codes. */

#include "dse_hal.h"
#include "story_data.h"

#define BEGIN 1
#define FIRST_BYTE 3

static int32_t tokens[STORY_WINDOW];
static STORY_LOGIT logits[STORY_ROWS * STORY_WORDS];

static int32_t piece_length(int32_t token) {
    return story_starts[token + 1] - story_starts[token];
}

/* The token whose piece is that of a followed by that of b, or -1. */
static int32_t joined(int32_t a, int32_t b) {
    const int32_t first = piece_length(a), length = first + piece_length(b);
    for (int32_t token = 0; token < STORY_WORDS; token++) {
        if (piece_length(token) != length) continue;
        int32_t k = 0;
        while (k < length && story_pieces[story_starts[token] + k] ==
                                 (k < first ? story_pieces[story_starts[a] + k]
                                            : story_pieces[story_starts[b] + k - first]))
            k++;
        if (k == length) return token;
    }
    return -1;
}

/* The token of one byte: its piece, else the token that stands for it. */
static int32_t byte_token(uint8_t byte) {
    for (int32_t token = 0; token < STORY_WORDS; token++)
        if (piece_length(token) == 1 && story_pieces[story_starts[token]] == byte) return token;
    return byte + FIRST_BYTE;
}

/* Tokens of the text, a space before it: bytes, then the best pair merged until there is none. */
static int32_t encode(const char *text) {
    int32_t count = 0;
    tokens[count++] = BEGIN;
    if (*text) tokens[count++] = byte_token(' ');
    for (; *text && count < STORY_WINDOW; text++) tokens[count++] = byte_token((uint8_t)*text);
    for (;;) {
        int32_t best = -1, place = 0;
        for (int32_t k = 0; k + 1 < count; k++) {
            const int32_t token = joined(tokens[k], tokens[k + 1]);
            if (token >= 0 && (best < 0 || story_ranks[token] > story_ranks[best])) best = token, place = k;
        }
        if (best < 0) return count;
        tokens[place] = best;
        for (int32_t k = place + 1; k + 1 < count; k++) tokens[k] = tokens[k + 1];
        tokens[--count] = 0;
    }
}

static void print(int32_t before, int32_t token) {
    char text[STORY_LONGEST + 1];
    int32_t length = 0;
    if (token >= FIRST_BYTE && token < FIRST_BYTE + 256) {
        text[length++] = (char)(token - FIRST_BYTE);
    } else if (token > BEGIN) {
        for (int32_t k = 0; k < piece_length(token); k++)
            if (k || before != BEGIN || story_pieces[story_starts[token]] != ' ')
                text[length++] = (char)story_pieces[story_starts[token] + k];
    }
    text[length] = 0;
    dse_puts(text);
}

static int32_t likeliest(const STORY_LOGIT *row) {
    int32_t best = 0;
    for (int32_t k = 1; k < STORY_WORDS; k++)
        if (row[k] > row[best]) best = k;
    return best;
}

STORY_BUFFERS

#if STORY_CACHES
static int32_t token[1], position[1];
static int16_t cos_row[STORY_DEPTH], sin_row[STORY_DEPTH];
#endif

static const void *const inputs[] = {STORY_INPUTS};
static void *const outputs[] = {STORY_OUTPUTS};

#if STORY_PREFILL
static const void *const prompt_inputs[] = {STORY_PROMPT_INPUTS};
static void *const prompt_outputs[] = {STORY_PROMPT_OUTPUTS};
static int32_t runs_of_prefill, runs_of_decode;

/* All tokens up to `at`, the prompt's last one or the last that prefill has a row for. */
static const STORY_LOGIT *read_prompt(int32_t at) {
    prefill_run(prompt_inputs, prompt_outputs);
    runs_of_prefill++;
    return &logits[at * STORY_WORDS];
}
#endif

/* The logits of what follows token `at`. A graph with caches wants every token once, in order. */
static const STORY_LOGIT *follow(int32_t at) {
#if STORY_CACHES
    token[0] = tokens[at];
    position[0] = at;
    for (int32_t d = 0; d < STORY_DEPTH; d++) {
        cos_row[d] = story_cos[at * STORY_DEPTH + d];
        sin_row[d] = story_sin[at * STORY_DEPTH + d];
    }
    STORY_NET(run)(inputs, outputs);
#if STORY_PREFILL
    runs_of_decode++;
#endif
    return logits;
#else
    STORY_NET(run)(inputs, outputs);
    return &logits[at * STORY_WORDS];
#endif
}

/* The first token that one call of the network looks behind, of a prompt of `count`. */
static int32_t first_of(int32_t count) {
    if (STORY_CACHES && !STORY_PREFILL) return 0;
    return count < STORY_ROWS ? count - 1 : STORY_ROWS - 1;
}

int main(void) {
    const STORY_NET(memory) arenas = {STORY_ARENAS};
#if STORY_PREFILL
    const prefill_memory prompt_arenas = {STORY_ARENAS};
    prefill_init(&prompt_arenas);
#endif
    STORY_NET(init)(&arenas);
    int32_t count = encode(STORY_PROMPT);
    const int32_t end = count + STORY_STEPS < STORY_WINDOW ? count + STORY_STEPS : STORY_WINDOW;
    for (int32_t k = 0; k < count; k++) print(k ? tokens[k - 1] : 0, tokens[k]);
    const int32_t first = first_of(count);
    for (int32_t at = first; count < end; at++) {
#if STORY_PREFILL
        const int32_t next = likeliest(at == first ? read_prompt(at) : follow(at));
#else
        const int32_t next = likeliest(follow(at));
#endif
        if (at + 1 < count) continue; /* still in the prompt */
        if (next == BEGIN) break;
        print(tokens[at], next);
        tokens[count++] = next;
    }
    dse_puts("\n");
#if STORY_PREFILL && STORY_SHOWS_RUNS
    dse_puts("runs of prefill ");
    dse_put_u64((uint64_t)runs_of_prefill);
    dse_puts(", of decode ");
    dse_put_u64((uint64_t)runs_of_decode);
    dse_puts("\n");
#endif
    return 0;
}
