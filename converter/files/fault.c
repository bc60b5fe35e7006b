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

void fault_warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("bert-convert: note: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}
