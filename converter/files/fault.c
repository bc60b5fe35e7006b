/* fault.c - see fault.h. */
#include "files/fault.h"

#include <stdarg.h>
#include <stdio.h>

bool fault_set(fault_text *fault, const char *format, ...)
{
    if (!fault->text[0]) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(fault->text, sizeof fault->text, format, arguments);
        va_end(arguments);
    }
    return false;
}

bool fault_set_error(fault_text *fault, const char *what, const bert_error *error)
{
    char numbers[64] = "";
    if (error->n_numbers == 1)
        snprintf(numbers, sizeof numbers, " (%lld)", (long long)error->value);
    if (error->n_numbers == 2)
        snprintf(numbers, sizeof numbers, " (%lld, limit %lld)", (long long)error->value,
                 (long long)error->limit);
    return fault_set(fault, "%s: %s: %s%s", what, bert_status_text(error->status), error->subject,
                     numbers);
}

void fault_warn(const char *format, ...)
{
    fault_text note;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note.text, sizeof note.text, format, arguments);
    va_end(arguments);
    fault_note(note.text);
}
